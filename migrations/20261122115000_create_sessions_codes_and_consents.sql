-- Signing in with a browser: authorization codes, browser sessions, remembered consents.

-- Single-use, at most a minute old, and only as a hash. No foreign key points here or leaves from here: a partition is
-- dropped whole.
create table myapi.authorization_codes (
    code_hash      bytea       not null,
    expires_at     timestamptz not null,
    client_id      text        not null,
    sub            uuid        not null,
    user_version   bigint      not null,
    session_id     uuid        not null,
    redirect_uri   text        not null,
    scope          text[]      not null,
    nonce          text,
    code_challenge text        not null,
    auth_time      timestamptz not null,
    created_at     timestamptz not null,
    failures       smallint    not null default 0,
    consumed_at    timestamptz,
    sid            uuid,
    access_ttl     integer,
    replayed_at    timestamptz,
    constraint authorization_codes_pkey primary key (code_hash, expires_at),
    constraint authorization_codes_code_hash_check check (octet_length(code_hash) = 32),
    constraint authorization_codes_sid_check check ((sid is null) = (access_ttl is null)),
    constraint authorization_codes_given_check check (sid is null or consumed_at is not null),
    constraint authorization_codes_replayed_check check (replayed_at is null or consumed_at is not null)
) partition by range (expires_at);
create table myapi.authorization_codes_default partition of myapi.authorization_codes default;
comment on column myapi.authorization_codes.code_challenge is 'S256 (RFC 7636); there is no other method';
comment on column myapi.authorization_codes.failures is 'redemptions by the right client with a wrong verifier';
comment on column myapi.authorization_codes.sid is 'the sid of the tokens that it gave; dead when the code is used again';
comment on column myapi.authorization_codes.access_ttl is 'seconds that the access token which it gave lives';

-- One browser in which somebody logged in. The cookie holds a secret, the row its hash.
create table myapi.sessions (
    session_id      uuid        not null,
    token_hash      bytea       not null,
    sub             uuid        not null,
    user_version    bigint      not null,
    auth_time       timestamptz not null,
    used_at         timestamptz not null,
    idle_expires_at timestamptz not null,
    expires_at      timestamptz not null,
    ended_at        timestamptz,
    constraint sessions_pkey primary key (session_id),
    constraint sessions_token_hash_key unique (token_hash),
    constraint sessions_sub_fkey foreign key (sub) references myapi.users (sub) on delete cascade,
    constraint sessions_token_hash_check check (octet_length(token_hash) = 32),
    constraint sessions_idle_check check (idle_expires_at <= expires_at)
);
comment on column myapi.sessions.user_version is 'token_version of the user at the login; a session of an older one is dead';
create index sessions_sub_idx on myapi.sessions (sub);
create index sessions_expires_at_idx on myapi.sessions (expires_at);

-- What a person has allowed a confidential client, so that the same is not asked again.
create table myapi.consents (
    sub        uuid        not null,
    client_id  text        not null,
    scope      text[]      not null,
    granted_at timestamptz not null,
    constraint consents_pkey primary key (sub, client_id),
    constraint consents_sub_fkey foreign key (sub) references myapi.users (sub) on delete cascade,
    constraint consents_client_id_fkey foreign key (client_id) references myapi.clients (client_id)
);
create index consents_client_id_idx on myapi.consents (client_id);

-- OpenID Connect core section 3.1.2.1.
insert into myapi.scopes (scope, description) values ('openid', 'Know that it is you')
on conflict (scope) do update set audience = null, description = excluded.description;

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
begin
    if parent not in ('refresh_tokens', 'revocations', 'authorization_codes') then
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

create or replace function myapi.drop_partition(parent text, before timestamptz) returns text
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
declare
    oldest record;
begin
    if parent not in ('refresh_tokens', 'revocations', 'authorization_codes') then
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

select myapi.make_partitions('authorization_codes', interval '1 day', now() + interval '3 days');
