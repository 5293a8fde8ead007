#!/bin/sh
# Puts a copy in the place of the database: restore-sqlite.sh COPY /var/lib/gatehouse/gatehouse.sqlite
# Every process that has it open must be stopped. What was there is kept beside it.
set -eu
copy=$1
database=$2
umask 077
[ "$(sqlite3 -bail "file:$copy?mode=ro" 'PRAGMA integrity_check')" = ok ]
if command -v fuser >/dev/null && [ -e "$database" ] && fuser -s "$database"; then
  echo "$database is open: stop the service first" >&2
  exit 1
fi
cp "$copy" "$database.restored"
sync "$database.restored"
# The journals belong to the old file: beside another one they would damage it.
for part in '' -wal -shm; do
  [ ! -e "$database$part" ] || mv "$database$part" "$database.before$part"
done
# The owner stays; on a new machine systemd gives the service what it finds in its directory.
[ ! -e "$database.before" ] || chown --reference="$database.before" "$database.restored"
mv "$database.restored" "$database"
