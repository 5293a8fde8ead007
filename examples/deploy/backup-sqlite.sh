#!/bin/sh
# A copy of the database as of one moment, while the service writes: backup-sqlite.sh /var/lib/gatehouse/gatehouse.sqlite DIRECTORY
# It prints the copy's name. `VACUUM INTO` reads in one transaction and keeps no writer waiting; `.backup` would begin
# again at each write, and `cp` would miss what is still in the -wal file.
set -eu
database=$1
umask 077
copy=$2/gatehouse-$(date -u +%Y%m%dT%H%M%SZ).sqlite
sqlite3 -bail -cmd '.timeout 10000' "file:$database?mode=rw" "VACUUM INTO '$copy.part'"
[ "$(sqlite3 -bail "$copy.part" 'PRAGMA integrity_check')" = ok ]
# Under its name it is whole, and on the disk.
sync "$copy.part"
mv "$copy.part" "$copy"
echo "$copy"
