-- Pushed authorization requests (RFC 9126), assertions that clients have used (RFC 7523), and what a code is for (RFC
-- 8707). No foreign key points here or leaves from here: a partition is dropped whole.

create table myapi.pushed_requests (
    request_hash bytea       not null,
    expires_at   timestamptz not null,
    client_id    text        not null,
    parameters   jsonb       not null,
    created_at   timestamptz not null,
    answered_at  timestamptz,
    constraint pushed_requests_pkey primary key (request_hash, expires_at),
    constraint pushed_requests_request_hash_check check (octet_length(request_hash) = 32),
    constraint pushed_requests_parameters_check check (jsonb_typeof(parameters) = 'array')
) partition by range (expires_at);
create table myapi.pushed_requests_default partition of myapi.pushed_requests default;
comment on column myapi.pushed_requests.expires_at is 'until when it may begin; a login that began goes on';
comment on column myapi.pushed_requests.answered_at is 'when the client got the one answer';

create table myapi.client_assertions (
    assertion_hash bytea       not null,
    expires_at     timestamptz not null,
    constraint client_assertions_pkey primary key (assertion_hash, expires_at),
    constraint client_assertions_assertion_hash_check check (octet_length(assertion_hash) = 32)
) partition by range (expires_at);
create table myapi.client_assertions_default partition of myapi.client_assertions default;
comment on table myapi.client_assertions is 'client and jti of what was used, until it could not be used any more anyhow';

alter table myapi.authorization_codes add column audience text;
comment on column myapi.authorization_codes.audience is 'what its tokens are for; null: what the client''s are for';

-- The two functions of before. Which tables they take is what the schema says, not a list to be kept here: one that is
-- partitioned by a time and has a default partition.
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
    perform myapi.check_partitioned(parent);
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
    perform myapi.check_partitioned(parent);
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

create function myapi.check_partitioned(parent text) returns void
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    if not exists (
        select from pg_partitioned_table p
        join pg_class c on c.oid = p.partrelid
        where c.relnamespace = 'myapi'::regnamespace and c.relname = parent and p.partdefid <> 0
    ) then
        raise exception 'not a table of partitions: %', parent;
    end if;
end
$$;
revoke execute on function myapi.check_partitioned(text) from public;

select myapi.make_partitions('pushed_requests', interval '1 day', now() + interval '3 days');
select myapi.make_partitions('client_assertions', interval '1 day', now() + interval '3 days');

-- What was granted before, and what the new tables need: whoever grants more later wraps this one in the same way.
alter function myapi.apply_grants() rename to apply_grants_before_pushed_requests;

create function myapi.apply_grants() returns void
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    perform myapi.apply_grants_before_pushed_requests();
    if exists (select from pg_roles where rolname = 'myapi_auth') then
        grant select, insert, update on myapi.pushed_requests to myapi_auth;
        grant select, insert on myapi.client_assertions to myapi_auth;
        -- For the count of what the default partitions caught.
        grant select on myapi.pushed_requests_default, myapi.client_assertions_default to myapi_auth;
    end if;
end
$$;
revoke execute on function myapi.apply_grants() from public;

select myapi.apply_grants();
