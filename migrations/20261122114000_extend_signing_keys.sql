-- A key can be revoked: it is published no more, and everything that it signed is dead.

alter table myapi.signing_keys
    add column revoked_at timestamptz,
    drop constraint signing_keys_state_check,
    drop constraint signing_keys_activated_check,
    drop constraint signing_keys_retired_check,
    add constraint signing_keys_state_check check (state in ('next', 'active', 'retired', 'revoked')),
    add constraint signing_keys_activated_check check (state in ('next', 'revoked') or activated_at is not null),
    add constraint signing_keys_retired_check check (
        (state <> 'retired' or retired_at is not null) and (state not in ('next', 'active') or retired_at is null)),
    add constraint signing_keys_revoked_check check ((state = 'revoked') = (revoked_at is not null));

-- All of the above as one list: each of the last migrations replaced the function by its own addition.
create or replace function myapi.apply_grants() returns void
    language plpgsql
    set search_path = pg_catalog
as $$
declare
    user_key text := pg_get_serial_sequence('myapi.users', 'user_id');
    movie_key text := pg_get_serial_sequence('myapi.movies', 'movie_id');
    reader text;
begin
    -- Grants on one object at once are an error in Postgres ("tuple concurrently updated"), not a queue.
    perform pg_advisory_xact_lock(hashtextextended('myapi.apply_grants', 0));

    revoke all on schema myapi from public;
    revoke all on all tables in schema myapi from public;

    if exists (select from pg_roles where rolname = 'myapi_auth') then
        grant usage on schema myapi to myapi_auth;
        grant select, insert, update, delete
            on myapi.users, myapi.resource_servers, myapi.scopes, myapi.clients, myapi.client_secrets,
               myapi.signing_keys, myapi.families, myapi.refresh_tokens
            to myapi_auth;
        grant select, insert on myapi.revocations to myapi_auth;
        grant usage on sequence myapi.revocations_seq to myapi_auth;
        grant select on myapi.revocation_feed to myapi_auth;
        -- For the count of what the default partitions caught.
        grant select on myapi.refresh_tokens_default, myapi.revocations_default to myapi_auth;
        grant execute on function
            myapi.append_revocations(text[], text[], bigint[], timestamptz, timestamptz[]),
            myapi.make_partitions(text, interval, timestamptz),
            myapi.drop_partition(text, timestamptz)
            to myapi_auth;
        grant select, insert, update on myapi.throttle to myapi_auth;
        grant select, insert, update, delete on myapi.known_devices to myapi_auth;
        grant execute on function
            myapi.charge_throttle(smallint[], integer[], float8[], float8[], boolean[], timestamptz)
            to myapi_auth;
        -- Whose keys rotation waits for; a row that is gone for good can be taken away.
        grant select, delete on myapi.resource_server_reports to myapi_auth;
        grant select on myapi._sqlx_migrations to myapi_auth;
        if user_key is not null then
            execute format('grant usage on sequence %s to myapi_auth', user_key);
        end if;
    end if;

    foreach reader in array array['myapi_movies_read', 'myapi_movies_write'] loop
        if exists (select from pg_roles where rolname = reader) then
            execute format('grant select on myapi.revocations, myapi.revocation_feed to %I', reader);
            execute format('grant execute on function
                myapi.report_resource_server(uuid, text[], bigint, text) to %I', reader);
        end if;
    end loop;

    if exists (select from pg_roles where rolname = 'myapi_movies_read') then
        grant usage on schema myapi to myapi_movies_read;
        grant select on myapi.movies, myapi._sqlx_migrations to myapi_movies_read;
    end if;

    if exists (select from pg_roles where rolname = 'myapi_movies_write') then
        grant usage on schema myapi to myapi_movies_write;
        grant select, insert, update, delete on myapi.movies to myapi_movies_write;
        grant select on myapi._sqlx_migrations to myapi_movies_write;
        if movie_key is not null then
            execute format('grant usage, select, update on sequence %s to myapi_movies_write', movie_key);
        end if;
    end if;
end
$$;

select myapi.apply_grants();
