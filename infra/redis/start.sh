#!/bin/sh
# Starts one of the five Redis, natively (npm run infra) and in a container (docker-compose.yml) alike.
#
#   start.sh NAME      NAME.acl beside this script says who may do what
#   REDIS_PORT, REDIS_BIND, REDIS_MAXMEMORY, REDIS_POLICY    as redis.conf has them
#   REDIS_DIR                                                a folder for the ACL file, with the passwords in it
#   REDIS_PASSWORD_<USER>                                    one for each user of NAME.acl
set -eu
umask 077
awk '/^#/ { next } {
  while (match($0, /[$][{][A-Z_]+[}]/)) {
    name = substr($0, RSTART + 2, RLENGTH - 3)
    if (ENVIRON[name] == "") { print name " is not set" > "/dev/stderr"; exit 1 }
    $0 = substr($0, 1, RSTART - 1) ENVIRON[name] substr($0, RSTART + RLENGTH)
  }
  print
}' "$(dirname "$0")/$1.acl" > "$REDIS_DIR/users.acl"

# Nothing here is the truth of anything, so nothing is written to disk.
exec redis-server --port "$REDIS_PORT" --bind "$REDIS_BIND" --dir "$REDIS_DIR" --aclfile "$REDIS_DIR/users.acl" \
  --maxmemory "$REDIS_MAXMEMORY" --maxmemory-policy "$REDIS_POLICY" --save "" --appendonly no
