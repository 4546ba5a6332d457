-- Refresh tokens, revocations, and the partitions that make cleaning up a matter of dropping tables.

alter table myapi.clients
    add column application_type       text     not null default 'web',
    add column redirect_uris          text[]   not null default '{}',
    add column post_logout_redirect_uris text[] not null default '{}',
    add column skips_consent          boolean  not null default false,
    add column refresh_token_idle_ttl integer,
    add column refresh_token_ttl      integer,
    add column refresh_retry_window   integer,
    add constraint clients_application_type_check check (application_type in ('web', 'native')),
    add constraint clients_refresh_token_idle_ttl_check check (refresh_token_idle_ttl > 0),
    add constraint clients_refresh_token_ttl_check check (refresh_token_ttl > 0),
    add constraint clients_refresh_retry_window_check check (refresh_retry_window between 0 and 60);
comment on column myapi.clients.refresh_token_idle_ttl is 'seconds a refresh token lives unused; null is the configured default';
comment on column myapi.clients.refresh_token_ttl is 'seconds a family lives at most; null is the configured default';
comment on column myapi.clients.refresh_retry_window is 'seconds in which a spent token answers its successor again; null is the configured default';

-- Everything that came from one login of one client. Revoking it writes this row and no token's.
create table myapi.families (
    family_id     uuid        not null,
    sub           uuid        not null,
    client_id     text        not null,
    scope         text[]      not null,
    audience      text        not null,
    user_version  bigint      not null,
    client_version bigint     not null,
    session_id    uuid,
    auth_time     timestamptz not null,
    access_ttl    integer     not null,
    created_at    timestamptz not null,
    expires_at    timestamptz not null,
    revoked_at    timestamptz,
    revoked_for   text,
    constraint families_pkey primary key (family_id),
    constraint families_sub_fkey foreign key (sub) references myapi.users (sub) on delete cascade,
    constraint families_client_id_fkey foreign key (client_id) references myapi.clients (client_id),
    constraint families_access_ttl_check check (access_ttl > 0),
    constraint families_revoked_check check ((revoked_at is null) = (revoked_for is null))
);
comment on column myapi.families.family_id is 'the sid of its tokens';
comment on column myapi.families.user_version is 'token_version of the user at the login; a family of an older one is dead';
comment on column myapi.families.access_ttl is 'seconds of the longest life that one of its access tokens was given';
create index families_sub_idx on myapi.families (sub);
create index families_client_id_idx on myapi.families (client_id);
create index families_session_id_idx on myapi.families (session_id) where session_id is not null;
create index families_expires_at_idx on myapi.families (expires_at);

-- No foreign key points here or leaves from here: a partition is dropped whole.
create table myapi.refresh_tokens (
    token_hash             bytea       not null,
    expires_at             timestamptz not null,
    family_id              uuid        not null,
    created_at             timestamptz not null,
    rotated_at             timestamptz,
    salt                   bytea,
    kek_id                 text,
    successor_hash         bytea,
    successor_expires_at   timestamptz,
    predecessor_hash       bytea,
    predecessor_expires_at timestamptz,
    constraint refresh_tokens_pkey primary key (token_hash, expires_at),
    constraint refresh_tokens_token_hash_check check (octet_length(token_hash) = 32),
    constraint refresh_tokens_rotated_check check ((rotated_at is null) = (successor_hash is null)
        and (successor_hash is null) = (successor_expires_at is null)),
    constraint refresh_tokens_salt_check check (salt is null or (rotated_at is not null and kek_id is not null))
) partition by range (expires_at);
create table myapi.refresh_tokens_default partition of myapi.refresh_tokens default;

-- The feed that resource servers follow. The numbers' order is the order of commits: see myapi.append_revocations.
create sequence myapi.revocations_seq as bigint;

create table myapi.revocations (
    seq        bigint      not null default nextval('myapi.revocations_seq'),
    kind       text        not null,
    subject    text        not null,
    version    bigint,
    revoked_at timestamptz not null,
    expires_at timestamptz not null,
    constraint revocations_pkey primary key (seq, expires_at),
    constraint revocations_kind_check check (kind in ('token', 'session', 'user', 'client', 'key')),
    constraint revocations_version_check check ((kind in ('user', 'client')) = (version is not null))
) partition by range (expires_at);
comment on column myapi.revocations.subject is 'jti, sid, sub, client_id or kid, by kind';
comment on column myapi.revocations.version is 'tokens of this version of the user or client and of older ones are dead';
create index revocations_subject_idx on myapi.revocations (subject, kind);
create table myapi.revocations_default partition of myapi.revocations default;

-- Which feed the numbers belong to: a new one where a database was set up anew.
create table myapi.revocation_feed (
    feed_id uuid    not null default gen_random_uuid(),
    is_only boolean not null default true,
    constraint revocation_feed_pkey primary key (is_only),
    constraint revocation_feed_is_only_check check (is_only)
);
insert into myapi.revocation_feed default values;

-- Called as the last statement of a transaction. The lock makes the order of numbers the order of commits: without it a
-- lower number could commit after a higher one was read, and would be lost for whoever reads on from there.
create function myapi.append_revocations(
    kinds text[], subjects text[], versions bigint[], at timestamptz, expiries timestamptz[]
) returns void
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('myapi.revocations', 0));
    insert into myapi.revocations (kind, subject, version, revoked_at, expires_at)
    select entry.kind, entry.subject, entry.version, at, entry.expires_at
    from unnest(kinds, subjects, versions, expiries) as entry (kind, subject, version, expires_at);
    perform pg_notify('myapi_revocations', '');
end
$$;

-- Partitions belong to the owner of the schema; the serving role makes and drops them through these functions alone.
-- A range that rows of the default partition lie in takes them over. Returns how many partitions were made.
create function myapi.make_partitions(parent text, step interval, until timestamptz) returns integer
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
begin
    if parent not in ('refresh_tokens', 'revocations') then
        raise exception 'not a table of partitions: %', parent;
    end if;
    if step not in (interval '1 day', interval '7 days') or until > now() + interval '800 days' then
        raise exception 'not a step or an end of partitions: % %', step, until;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('myapi.partitions', 0));
    perform set_config('lock_timeout', '100ms', true);
    -- Mondays, midnight UTC.
    first := date_bin(step, now(), timestamptz '2024-01-01 00:00:00+00');
    while first < until loop
        last := first + step;
        name := parent || '_' || to_char(first at time zone 'utc', 'YYYYMMDD');
        if to_regclass(format('myapi.%I', name)) is null then
            execute format('create table myapi.%I (like myapi.%I including defaults including constraints)', name, parent);
            execute format(
                'with moved as (delete from myapi.%I where expires_at >= %L and expires_at < %L returning *)
                 insert into myapi.%I select * from moved', catches, first, last, name);
            execute format('alter table myapi.%I attach partition myapi.%I for values from (%L) to (%L)',
                parent, name, first, last);
            made := made + 1;
        end if;
        first := last;
    end loop;
    return made;
end
$$;

-- Drops the oldest partition that ended before `before`, if there is one; returns its name. One at a time, so that each
-- needs its locks for an instant only; a reader in the way makes it fail within 100 ms instead of queueing everybody.
create function myapi.drop_partition(parent text, before timestamptz) returns text
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
declare
    oldest record;
begin
    if parent not in ('refresh_tokens', 'revocations') then
        raise exception 'not a table of partitions: %', parent;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('myapi.partitions', 0));
    perform set_config('lock_timeout', '100ms', true);
    select c.relname as name, bound.ends
    into oldest
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral (
        select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz as ends
    ) bound
    where i.inhparent = format('myapi.%I', parent)::regclass and bound.ends <= least(before, now() - interval '1 day')
    order by bound.ends
    limit 1;
    if oldest.name is null then
        return null;
    end if;
    execute format('alter table myapi.%I detach partition myapi.%I', parent, oldest.name);
    execute format('drop table myapi.%I', oldest.name);
    return oldest.name;
end
$$;

revoke execute on function myapi.append_revocations(text[], text[], bigint[], timestamptz, timestamptz[]) from public;
revoke execute on function myapi.make_partitions(text, interval, timestamptz) from public;
revoke execute on function myapi.drop_partition(text, timestamptz) from public;

select myapi.make_partitions('refresh_tokens', interval '7 days', now() + interval '21 days'),
       myapi.make_partitions('revocations', interval '7 days', now() + interval '7 days');
