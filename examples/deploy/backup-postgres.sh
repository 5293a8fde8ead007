#!/bin/sh
# The database as of one moment, while the service writes: backup-postgres.sh DIRECTORY. Where the database is stands in
# PGHOST, PGPORT, PGUSER, PGDATABASE and PGPASSFILE: a URL among the arguments would show its password to the whole machine.
# It prints the archive's name. pg_dump has to be of the server's version or a later one.
set -eu
umask 077
copy=$1/gatehouse-$(date -u +%Y%m%dT%H%M%SZ).dump
pg_dump --format=custom --no-owner --no-privileges --file="$copy.part"
pg_restore --list "$copy.part" >/dev/null
sync "$copy.part"
mv "$copy.part" "$copy"
echo "$copy"
