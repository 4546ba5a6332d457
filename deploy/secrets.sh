#!/bin/sh
# Makes the secrets of one installation: passwords of the database's roles, inside the DSNs that use them, and the key
# encryption key. Run it as often as you like: what is there already stays.
#
#   deploy/secrets.sh [FOLDER [HOST:PORT]]
#
# FOLDER is deploy/secrets beside this script, where docker-compose.yml looks; HOST:PORT is the database as the services
# reach it. Losing `key-encryption-key` loses the signing keys: keep a copy of it apart from the database's backups.
set -eu

folder=${1:-$(dirname "$0")/secrets}
database=${2:-postgres:5432}

# The folder keeps others out. The files inside are readable because compose hands them over as they are, and the
# services in the containers run as other users than the one who made them.
mkdir -p "$folder"
chmod 700 "$folder"

# Hex needs no escaping in a URL, and roles.sql cuts it out of the DSN.
password() {
    head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# Written beside and renamed, so that an interrupted run leaves no half of a secret.
keep() {
    if [ ! -s "$folder/$1" ]; then
        printf '%s\n' "$2" > "$folder/$1.new"
        chmod 444 "$folder/$1.new"
        mv "$folder/$1.new" "$folder/$1"
        echo "made $folder/$1"
    fi
}

keep postgres-password "$(password)"
keep owner-dsn "postgres://myapi_owner:$(password)@$database/myapi"
keep auth-dsn "postgres://auth_server:$(password)@$database/myapi"
keep movies-dsn "postgres://movies_api:$(password)@$database/myapi"
keep import-dsn "postgres://movies_import:$(password)@$database/myapi"
# What `auth-server key new-secret` makes: 32 bytes in base64.
keep key-encryption-key "$(head -c 32 /dev/urandom | base64)"
