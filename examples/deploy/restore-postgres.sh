#!/bin/sh
# Fills a new, empty database from an archive, all or nothing: restore-postgres.sh ARCHIVE. Where that database is
# stands in PGHOST, PGPORT, PGUSER, PGDATABASE and PGPASSFILE.
# The old one stays as it is until DATABASE_URL of the service names the new one.
set -eu
: "${PGDATABASE:?names the new database}"
pg_restore --dbname="$PGDATABASE" --no-owner --no-privileges --single-transaction --exit-on-error "$1"
