-- Roles belong to the cluster, not to this schema: `auth-server migrate --roles` makes them and calls this function
-- again. A later migration that adds a table replaces the function and calls it.

create function myapi.apply_grants() returns void
    language plpgsql
    set search_path = pg_catalog
as $$
declare
    user_key text := pg_get_serial_sequence('myapi.users', 'user_id');
    movie_key text := pg_get_serial_sequence('myapi.movies', 'movie_id');
begin
    -- Grants on one object at once are an error in Postgres ("tuple concurrently updated"), not a queue.
    perform pg_advisory_xact_lock(hashtextextended('myapi.apply_grants', 0));

    revoke all on schema myapi from public;
    revoke all on all tables in schema myapi from public;

    if exists (select from pg_roles where rolname = 'myapi_auth') then
        grant usage on schema myapi to myapi_auth;
        grant select, insert, update, delete
            on myapi.users, myapi.resource_servers, myapi.scopes, myapi.clients, myapi.client_secrets, myapi.signing_keys
            to myapi_auth;
        grant select on myapi._sqlx_migrations to myapi_auth;
        if user_key is not null then
            execute format('grant usage on sequence %s to myapi_auth', user_key);
        end if;
    end if;

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

revoke execute on function myapi.apply_grants() from public;

select myapi.apply_grants();
