-- The device authorization grant (RFC 8628): what a device waits with, and what a person says to it.

-- Single-use, minutes old at most. The device's secret is here only as a hash; the short code that a person types can be
-- guessed from a plain hash, so it is here as an HMAC under a subkey of the key encryption key. No foreign key points
-- here or leaves from here: a partition is dropped whole.
create table myapi.device_codes (
    code_hash      bytea       not null,
    expires_at     timestamptz not null,
    user_code_hash bytea       not null,
    client_id      text        not null,
    audience       text        not null,
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
comment on column myapi.device_codes.audience is 'what its tokens are for, unless a later request names another';
comment on column myapi.device_codes.scope is 'asked for; once approved, what was granted of it';
comment on column myapi.device_codes.poll_interval is 'seconds between two polls; grows with each that comes too early';
comment on column myapi.device_codes.is_early is 'whether the last poll came before its time';
comment on column myapi.device_codes.session_id is 'the browser session in which it was approved; alive still when the device gets its tokens';

select myapi.make_partitions('device_codes', interval '1 day', now() + interval '3 days');

-- What was granted before, and what the new table needs.
alter function myapi.apply_grants() rename to apply_grants_before_device_codes;

create function myapi.apply_grants() returns void
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    perform myapi.apply_grants_before_device_codes();
    if exists (select from pg_roles where rolname = 'myapi_auth') then
        grant select, insert, update, delete on myapi.device_codes to myapi_auth;
        -- For the count of what the default partition caught.
        grant select on myapi.device_codes_default to myapi_auth;
    end if;
end
$$;
revoke execute on function myapi.apply_grants() from public;

select myapi.apply_grants();
