-- Counters of failed logins and the devices that accounts know.

-- A fixed number of places for each kind of counter: names that nobody has make nothing grow. Unlogged: written with
-- every login and worth nothing after a few hours, so a crash of Postgres or a failover may forget it.
create unlogged table myapi.throttle (
    kind smallint not null,
    slot integer not null,
    -- Failures that are not forgiven yet, at changed_at.
    level double precision not null,
    changed_at timestamptz not null,
    -- Nothing is let through before this.
    free_at timestamptz not null,
    -- Delays are not news before this.
    told_until timestamptz not null,
    constraint throttle_pkey primary key (kind, slot),
    constraint throttle_slot_check check (slot between 0 and 65535)
) with (fillfactor = 50);

-- Only devices that have logged in stand here, at most 20 for each user.
create table myapi.known_devices (
    sub uuid not null,
    device_hash bytea not null,
    seen_at timestamptz not null,
    constraint known_devices_pkey primary key (sub, device_hash),
    constraint known_devices_sub_fkey foreign key (sub) references myapi.users (sub) on delete cascade,
    constraint known_devices_device_hash_check check (octet_length(device_hash) = 32)
);

-- Charges one attempt to all of these counters, or to none of them: one round trip, one lock for each counter, always
-- taken in the same order. A counter forgives one failure in `leaks` seconds. The attempt that makes its `bursts` full
-- brings the first delay, of a second; each further one doubles it, up to `leaks`. A hard counter has no delays: it
-- refuses what does not fit. Delays that begin are news, once in 15 minutes.
create function myapi.charge_throttle(
    kinds smallint[],
    slots integer[],
    bursts float8[],
    leaks float8[],
    are_hard boolean[],
    moment timestamptz
) returns table (kind smallint, slot integer, refused_until timestamptz, free_at timestamptz, is_news boolean)
    language plpgsql
    set search_path = pg_catalog
as $$
#variable_conflict use_column
begin
    insert into myapi.throttle (kind, slot, level, changed_at, free_at, told_until)
    select asked.kind, asked.slot, 0, moment, to_timestamp(0), moment
    from unnest(kinds, slots) as asked (kind, slot)
    order by asked.kind, asked.slot
    on conflict do nothing;

    perform 1
    from myapi.throttle as held
    join unnest(kinds, slots) as asked (kind, slot) using (kind, slot)
    order by held.kind, held.slot
    for update of held;

    return query
    with counted as (
        select held.kind, held.slot, held.free_at, held.told_until, asked.burst, asked.leak, asked.is_hard,
               greatest(0, held.level - greatest(0, extract(epoch from moment - held.changed_at)) / asked.leak) + 1
                   as level
        from unnest(kinds, slots, bursts, leaks, are_hard) as asked (kind, slot, burst, leak, is_hard)
        join myapi.throttle as held using (kind, slot)
    ),
    judged as (
        select counted.*,
               case
                   when is_hard and level > burst + 1e-6 then moment + make_interval(secs => (level - burst) * leak)
                   when not is_hard and counted.free_at > moment then counted.free_at
               end as refused_until,
               case
                   -- Left as it is: an attempt of a millisecond earlier may come a millisecond later.
                   when is_hard or level < burst - 1 + 1e-6 then counted.free_at
                   else moment + make_interval(secs => least(leak, power(2, least(30, ceil(level - burst - 1e-6)))))
               end as next_free_at
        from counted
    ),
    verdict as (
        select bool_and(judged.refused_until is null) as is_granted from judged
    ),
    charged as (
        update myapi.throttle as held
        set level = case when is_granted then judged.level else held.level end,
            changed_at = case when is_granted then greatest(held.changed_at, moment) else held.changed_at end,
            free_at = case when is_granted then judged.next_free_at else held.free_at end,
            told_until = case
                when judged.told_until <= moment and (judged.refused_until is not null or judged.next_free_at > moment)
                    then moment + interval '15 minutes'
                else held.told_until
            end
        from judged, verdict
        where held.kind = judged.kind
            and held.slot = judged.slot
            and (is_granted or (judged.refused_until is not null and judged.told_until <= moment))
        returning held.kind, held.slot, held.told_until > judged.told_until as is_news
    )
    select judged.kind, judged.slot, judged.refused_until, judged.next_free_at, coalesce(charged.is_news, false)
    from judged
    left join charged on charged.kind = judged.kind and charged.slot = judged.slot;
end
$$;

revoke execute on function
    myapi.charge_throttle(smallint[], integer[], float8[], float8[], boolean[], timestamptz)
    from public;
