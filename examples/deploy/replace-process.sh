#!/bin/sh
# Replaces one process by one of the version in /opt/gatehouse/current, and no request fails: replace-process.sh 3001
set -eu
port=$1
upstream=/etc/nginx/gatehouse-upstream.conf

reload () {
  old=$(pgrep -P "$(cat /run/nginx.pid)" || true)
  nginx -t -q
  systemctl reload nginx
  # The old workers answer what they have begun, over connections that they have; then they end.
  for worker in $old; do
    tries=0
    while [ -e "/proc/$worker" ]; do
      tries=$((tries + 1))
      [ "$tries" -le 600 ] || { echo "worker $worker of nginx does not end" >&2; exit 1; }
      sleep 0.1
    done
  done
}

sed -i "s/^  server 127.0.0.1:$port;/  server 127.0.0.1:$port down;/" "$upstream"
reload
systemctl restart "gatehouse@$port"
tries=0
until curl -fsS -o /dev/null --max-time 5 "http://127.0.0.1:$port/health/ready" 2>/dev/null; do
  tries=$((tries + 1))
  # It stays out of nginx, and the others go on with the version that they have.
  [ "$tries" -le 600 ] || { echo "gatehouse@$port does not become ready: journalctl -u gatehouse@$port" >&2; exit 1; }
  sleep 0.1
done
sed -i "s/^  server 127.0.0.1:$port down;/  server 127.0.0.1:$port;/" "$upstream"
reload
