#!/bin/sh
# Entrypoint of the stand-ins for redis:8 and haproxy:3.2: the command as it is.
exec "$@"
