-- The device authorization grant (RFC 8628): what a device waits with, and what a person says to it.

-- Single-use, minutes old at most. The device's secret is here only as a hash; the short code that a person types can be
-- guessed from a plain hash, so it is here as an HMAC under a subkey of the key encryption key. No foreign key points
-- here or leaves from here: a partition is dropped whole.
create table myapi.device_codes (
    code_hash      bytea       not null,
    expires_at     timestamptz not null,
    user_code_hash bytea       not null,
    client_id      text        not null,
    scope          text[]      not null,
    created_at     timestamptz not null,
    poll_interval  integer     not null,
    polled_at      timestamptz,
    is_early       boolean     not null default false,
    decided_at     timestamptz,
    is_approved    boolean,
    sub            uuid,
    user_version   bigint,
    session_id     uuid,
    auth_time      timestamptz,
    consumed_at    timestamptz,
    constraint device_codes_pkey primary key (code_hash, expires_at),
    constraint device_codes_code_hash_check check (octet_length(code_hash) = 32),
    constraint device_codes_user_code_hash_check check (octet_length(user_code_hash) = 32),
    constraint device_codes_poll_interval_check check (poll_interval > 0),
    constraint device_codes_decided_check check ((decided_at is null) = (is_approved is null)),
    constraint device_codes_approved_check check (
        coalesce(is_approved, false) = (num_nonnulls(sub, user_version, session_id, auth_time) = 4)
        and num_nonnulls(sub, user_version, session_id, auth_time) in (0, 4)
    ),
    constraint device_codes_consumed_check check (consumed_at is null or coalesce(is_approved, false))
) partition by range (expires_at);
create index device_codes_user_code_hash_idx on myapi.device_codes (user_code_hash, expires_at);
create table myapi.device_codes_default partition of myapi.device_codes default;
comment on column myapi.device_codes.scope is 'asked for; once approved, what was granted of it';
comment on column myapi.device_codes.poll_interval is 'seconds between two polls; grows with each that comes too early';
comment on column myapi.device_codes.is_early is 'whether the last poll came before its time';
comment on column myapi.device_codes.session_id is 'the browser session in which it was approved; alive still when the device gets its tokens';

-- The two functions of before, for one table more.
create or replace function myapi.make_partitions(parent text, step interval, until timestamptz) returns integer
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
declare
    first   timestamptz;
    last    timestamptz;
    name    text;
    made    integer := 0;
    catches text := parent || '_default';
    ranged  text := case parent when 'audit_events' then 'at' else 'expires_at' end;
begin
    if parent not in ('refresh_tokens', 'revocations', 'authorization_codes', 'device_codes', 'audit_events') then
        raise exception 'not a table of partitions: %', parent;
    end if;
    if step not in (interval '1 day', interval '7 days') or until > now() + interval '800 days' then
        raise exception 'not a step or an end of partitions: % %', step, until;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('myapi.partitions', 0));
    perform set_config('lock_timeout', '100ms', true);
    -- Rows that move to the partition where they belong are not changed: see myapi.refuse_change.
    perform set_config('myapi.moves_rows', 'on', true);
    -- Mondays, midnight UTC.
    first := date_bin(step, now(), timestamptz '2024-01-01 00:00:00+00');
    while first < until loop
        last := first + step;
        name := parent || '_' || to_char(first at time zone 'utc', 'YYYYMMDD');
        if to_regclass(format('myapi.%I', name)) is null then
            execute format('create table myapi.%I (like myapi.%I including defaults including constraints)', name, parent);
            execute format(
                'with moved as (delete from myapi.%I where %I >= %L and %I < %L returning *)
                 insert into myapi.%I select * from moved', catches, ranged, first, ranged, last, name);
            execute format('alter table myapi.%I attach partition myapi.%I for values from (%L) to (%L)',
                parent, name, first, last);
            made := made + 1;
        end if;
        first := last;
    end loop;
    perform set_config('myapi.moves_rows', '', true);
    return made;
end
$$;

create or replace function myapi.drop_partition(parent text, before timestamptz) returns text
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
declare
    oldest record;
    -- Whoever may drop expired tokens may not thereby drop what was recorded last.
    margin interval := case parent when 'audit_events' then interval '30 days' else interval '1 day' end;
begin
    if parent not in ('refresh_tokens', 'revocations', 'authorization_codes', 'device_codes', 'audit_events') then
        raise exception 'not a table of partitions: %', parent;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('myapi.partitions', 0));
    perform set_config('lock_timeout', '100ms', true);
    select c.relname as name, bound.ends as ends
    into oldest
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral (
        select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz as ends
    ) bound
    where i.inhparent = format('myapi.%I', parent)::regclass and bound.ends <= least(before, now() - margin)
    order by bound.ends
    limit 1;
    if oldest.name is null then
        return null;
    end if;
    if parent = 'audit_events' then
        execute format(
            'insert into myapi.audit_anchors (writer, seq, hash, until)
             select distinct on (writer) writer, seq, hash, %L::timestamptz from myapi.%I order by writer, seq desc
             on conflict (writer) do update set seq = excluded.seq, hash = excluded.hash, until = excluded.until
             where audit_anchors.seq < excluded.seq', oldest.ends, oldest.name);
    end if;
    execute format('alter table myapi.%I detach partition myapi.%I', parent, oldest.name);
    execute format('drop table myapi.%I', oldest.name);
    return oldest.name;
end
$$;

select myapi.make_partitions('device_codes', interval '1 day', now() + interval '3 days');

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
        grant select, insert, update, delete
            on myapi.sessions, myapi.consents, myapi.authorization_codes, myapi.device_codes
            to myapi_auth;
        grant select on myapi.authorization_codes_default, myapi.device_codes_default to myapi_auth;
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
        -- What happened is added and read, never changed.
        grant select, insert on myapi.audit_events, myapi.audit_checkpoints to myapi_auth;
        grant select on myapi.audit_anchors, myapi.audit_events_default to myapi_auth;
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
