#!/bin/sh
# Entrypoint of the stand-in for postgres:18: Debian's Postgres 15, and of the official image's ways those that compose.yaml uses.
set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH
[ "${1:-}" = postgres ] || exec "$@"
[ "$(id -u)" = 999 ] || { echo "this stand-in runs as 999, not as $(id -u)" >&2; exit 1; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -s "${POSTGRES_PASSWORD_FILE:?}" ]
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA"
  # shellcheck disable=SC2086
  initdb --username "${POSTGRES_USER:-postgres}" --pwfile "$POSTGRES_PASSWORD_FILE" -D "$PGDATA" $POSTGRES_INITDB_ARGS
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  for file in /docker-entrypoint-initdb.d/*.sh; do
    if [ -x "$file" ]; then "$file"; else . "$file"; fi
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@" -c listen_addresses='*'
