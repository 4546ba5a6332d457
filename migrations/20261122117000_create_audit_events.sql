-- What happened: authentication and administration, append-only, in a chain of hashes for each process that writes.

create table myapi.audit_events (
    writer     uuid        not null,
    seq        bigint      not null,
    at         timestamptz not null,
    event      text        not null,
    outcome    text        not null,
    reason     text,
    subject    text,
    client_id  text,
    address    text,
    request_id uuid,
    actor      text        not null,
    detail     text,
    prev_hash  bytea       not null,
    hash       bytea       not null,
    constraint audit_events_pkey primary key (writer, seq, at),
    constraint audit_events_seq_check check (seq > 0),
    constraint audit_events_outcome_check check (outcome in ('ok', 'refused', 'throttled', 'failed')),
    constraint audit_events_hash_check check (octet_length(hash) = 32 and octet_length(prev_hash) = 32)
) partition by range (at);
comment on column myapi.audit_events.writer is 'the process that wrote it; each has a chain of its own';
comment on column myapi.audit_events.subject is 'sub of the user it is about; null where nobody was found';
comment on column myapi.audit_events.actor is 'client, cli:USER of the operating system, or server';
comment on column myapi.audit_events.hash is 'SHA-256 over prev_hash and every other column';
create index audit_events_at_idx on myapi.audit_events (at);
create index audit_events_subject_idx on myapi.audit_events (subject, at) where subject is not null;
create table myapi.audit_events_default partition of myapi.audit_events default;

-- How far each chain had come at a time, signed by the key that signs tokens. The public key stands beside it because
-- signing keys go a day after they retire; the code under the key encryption key proves that it was ours.
create table myapi.audit_checkpoints (
    checkpoint_id uuid        not null,
    at            timestamptz not null,
    kid           text        not null,
    public_jwk    jsonb       not null,
    jws           text        not null,
    kek_id        text        not null,
    code          bytea       not null,
    constraint audit_checkpoints_pkey primary key (checkpoint_id)
);
comment on column myapi.audit_checkpoints.code is 'HMAC-SHA256 of the jws under a subkey of the key encryption key';
create index audit_checkpoints_at_idx on myapi.audit_checkpoints (at);

-- Where a chain goes on whose beginning went with its partition.
create table myapi.audit_anchors (
    writer uuid        not null,
    seq    bigint      not null,
    hash   bytea       not null,
    until  timestamptz not null,
    constraint audit_anchors_pkey primary key (writer)
);
comment on column myapi.audit_anchors.seq is 'the last number of the chain that was dropped, with its hash';
comment on column myapi.audit_anchors.until is 'everything of this chain that was dropped is older';

-- Grants keep the serving role from changing what was recorded; this stops a slip of whoever owns the tables.
create function myapi.refuse_change() returns trigger
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    if current_setting('myapi.moves_rows', true) = 'on' then
        return old;
    end if;
    raise exception 'myapi.% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_events_append_only before update or delete on myapi.audit_events
    for each row execute function myapi.refuse_change();
create trigger audit_checkpoints_append_only before update or delete on myapi.audit_checkpoints
    for each row execute function myapi.refuse_change();
create trigger audit_events_no_truncate before truncate on myapi.audit_events
    for each statement execute function myapi.refuse_change();
create trigger audit_checkpoints_no_truncate before truncate on myapi.audit_checkpoints
    for each statement execute function myapi.refuse_change();

-- The two functions of before, for one table more, whose rows lie by another column.
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
    if parent not in ('refresh_tokens', 'revocations', 'authorization_codes', 'audit_events') then
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
    if parent not in ('refresh_tokens', 'revocations', 'authorization_codes', 'audit_events') then
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

select myapi.make_partitions('audit_events', interval '7 days', now() + interval '14 days');

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
            on myapi.sessions, myapi.consents, myapi.authorization_codes
            to myapi_auth;
        grant select on myapi.authorization_codes_default to myapi_auth;
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
