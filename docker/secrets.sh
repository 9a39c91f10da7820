#!/bin/sh
# Runs to its end before anything else starts, as root and without a network. Makes the passwords that are not there yet, one volume for each service, readable by
# that service's user alone; and gives the config folder to Postern's user, whoever edited in it.
set -eu
umask 077

POSTGRES=999:999
REDIS=999:999
POSTERN=10001:10001

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# put FILE OWNER: standard input under that name, whole or not at all.
put() {
  cat >"$1.new"
  chmod 0400 "$1.new"
  chown "$2" "$1.new"
  mv -f "$1.new" "$1"
}

cd /secrets
chown "$POSTGRES" postgres
chown "$REDIS" redis
chown "$POSTERN" postern
chmod 0500 postgres redis postern

# The superuser's password never leaves Postgres's own volume.
[ -s postgres/superuser ] || random | put postgres/superuser "$POSTGRES"
[ -s postgres/postern ] || random | put postgres/postern "$POSTGRES"
printf 'postgres://postern:%s@postgres:5432/postern' "$(cat postgres/postern)" | put postern/database_url "$POSTERN"

# Redis has the password's hash only. Whoever has none may ask, as "health", whether it lives.
[ -s postern/redis_password ] || random | put postern/redis_password "$POSTERN"
printf 'redis://postern:%s@redis:6379' "$(cat postern/redis_password)" | put postern/redis_url "$POSTERN"
hash=$(sha256sum <postern/redis_password | cut -d ' ' -f 1)
put redis/users.acl "$REDIS" <<END
user default off
user health on nopass -@all +ping
user postern on #$hash ~postern:* &postern:* -@all +ping +publish +subscribe +unsubscribe +multi +exec +set +get +getrange +del +incrby +pexpire +zadd +zrange +zrem +zremrangebyscore
END

chown -Rh "$POSTERN" /config
