-- What each process of a resource server holds, so that a new key signs only when every live one has it.

create table myapi.resource_server_reports (
    instance          uuid        not null,
    reported_by       text        not null,
    kids              text[]      not null,
    feed_seq          bigint      not null,
    source            text        not null,
    first_reported_at timestamptz not null,
    reported_at       timestamptz not null,
    constraint resource_server_reports_pkey primary key (instance),
    constraint resource_server_reports_source_check check (source in ('file', 'url'))
);
comment on table myapi.resource_server_reports is 'one row a process; written by myapi.report_resource_server alone';
comment on column myapi.resource_server_reports.reported_by is 'the database user of its session';
comment on column myapi.resource_server_reports.feed_seq is 'how far it has read myapi.revocations';
comment on column myapi.resource_server_reports.source is 'url follows new keys by itself; file needs somebody, and is never taken for gone';
create index resource_server_reports_reported_at_idx on myapi.resource_server_reports (reported_at);

-- The one thing that a resource server writes. Who reports and when is not for the caller to say. A table that is full of
-- live processes takes no more: nobody pushes another one out.
create function myapi.report_resource_server(instance uuid, kids text[], feed_seq bigint, source text) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
#variable_conflict use_column
declare
    most constant integer := 1000;
begin
    if cardinality(report_resource_server.kids) > 100
        or exists (select from unnest(report_resource_server.kids) as kid where kid is null or length(kid) > 256) then
        raise exception 'not the kids of a key set' using errcode = 'invalid_parameter_value';
    end if;
    update myapi.resource_server_reports r
    set reported_by = session_user,
        kids = report_resource_server.kids,
        feed_seq = report_resource_server.feed_seq,
        source = report_resource_server.source,
        reported_at = clock_timestamp()
    where r.instance = report_resource_server.instance;
    if found then
        return;
    end if;
    -- Two processes that start at once must not both be the thousandth.
    perform pg_advisory_xact_lock(hashtextextended('myapi.resource_server_reports', 0));
    delete from myapi.resource_server_reports r
    where r.source <> 'file' and r.reported_at < clock_timestamp() - interval '24 hours';
    delete from myapi.resource_server_reports r
    where r.instance in (
        select silent.instance
        from myapi.resource_server_reports silent
        where silent.reported_at < clock_timestamp() - interval '90 seconds'
        order by silent.source = 'file', silent.reported_at
        limit greatest((select count(*) from myapi.resource_server_reports) - most + 1, 0)
    );
    if (select count(*) from myapi.resource_server_reports) >= most then
        raise exception '% processes report already', most using errcode = 'configuration_limit_exceeded';
    end if;
    insert into myapi.resource_server_reports
        (instance, reported_by, kids, feed_seq, source, first_reported_at, reported_at)
    values (report_resource_server.instance, session_user, report_resource_server.kids, report_resource_server.feed_seq,
        report_resource_server.source, clock_timestamp(), clock_timestamp())
    on conflict (instance) do nothing;
end
$$;
revoke execute on function myapi.report_resource_server(uuid, text[], bigint, text) from public;

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
        grant select on myapi._sqlx_migrations to myapi_auth;
        -- Whose keys rotation waits for; a row that is gone for good can be taken away.
        grant select, delete on myapi.resource_server_reports to myapi_auth;
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
