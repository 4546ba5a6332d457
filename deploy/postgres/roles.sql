-- Roles of an installation, made once by a superuser in the database `myapi`. The container of docker-compose.yml runs
-- this on an empty volume; elsewhere: psql -v secrets=FOLDER -f roles.sql myapi
-- Passwords come from the DSNs that deploy/secrets.sh makes, so that each stands in one place.
\set ON_ERROR_STOP on
\if :{?secrets}
\else
    \set secrets /run/secrets
\endif
\set owner_password `cut -d: -f3 :'secrets'/owner-dsn | cut -d@ -f1`
\set auth_password `cut -d: -f3 :'secrets'/auth-dsn | cut -d@ -f1`
\set movies_password `cut -d: -f3 :'secrets'/movies-dsn | cut -d@ -f1`
\set import_password `cut -d: -f3 :'secrets'/import-dsn | cut -d@ -f1`

begin;

-- What the migrations grant rights to (myapi.apply_grants). `auth-server migrate --roles` would make them too, but may
-- do so only as a role that can make roles; being here, they let `migrate` run as the mere owner of the database.
create role myapi_auth nologin;
create role myapi_movies_read nologin;
create role myapi_movies_write nologin;

-- Who logs in. The owner migrates; neither service can change the schema or read the other's tables.
create role myapi_owner login password :'owner_password';
create role auth_server login password :'auth_password' in role myapi_auth;
create role movies_api login password :'movies_password' in role myapi_movies_read;
create role movies_import login password :'import_password' in role myapi_movies_write;

-- Half of the services' own deadline of 10 s for a request. Not as start-up options: poolers drop those.
alter role auth_server set statement_timeout = '5s';
alter role auth_server set idle_in_transaction_session_timeout = '10s';
alter role movies_api set statement_timeout = '5s';
alter role movies_api set idle_in_transaction_session_timeout = '10s';

alter database :"DBNAME" owner to myapi_owner;
revoke all on database :"DBNAME" from public;
grant connect on database :"DBNAME" to auth_server, movies_api, movies_import;
-- `movies-api import` and `auth-server user import` stage their rows in a temporary table.
grant temporary on database :"DBNAME" to auth_server, movies_import;

commit;
