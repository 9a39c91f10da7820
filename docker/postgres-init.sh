#!/bin/sh
# Runs once, when Postgres makes its cluster: the role that Postern works as, which is no superuser, and its database.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres --set password="$(cat /run/secrets/postgres/postern)" <<'END'
create role postern login password :'password';
create database postern owner postern encoding 'UTF8' template template0;
END
