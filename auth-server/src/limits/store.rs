//! The tables `throttle` and `known_devices`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::keys::{Digest, Place};
use super::model::Limit;

/// What an attempt is to be charged to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) place: Place,
    pub(super) limit: Limit,
    /// No delays: what does not fit is refused.
    pub(super) is_hard: bool,
}

/// What one counter says to a charge.
pub(super) struct Said {
    pub(super) kind: i16,
    pub(super) slot: i32,
    /// Until when this one refuses, if it does; then nothing was charged anywhere.
    pub(super) refused_until: Option<DateTime<Utc>>,
    /// What was written as the earliest time of the next attempt.
    pub(super) free_at: DateTime<Utc>,
    /// Whether delays begin here.
    pub(super) is_news: bool,
}

/// How the counters of a client's secret stand; nothing where a counter was never charged.
pub(super) struct SecretStanding {
    pub(super) here_free_at: Option<DateTime<Utc>>,
    pub(super) anywhere_free_at: Option<DateTime<Utc>>,
    /// When the secret was last noted as right at this address.
    pub(super) known_at: Option<DateTime<Utc>>,
}

/// Charges all of these counters, or none of them. A counter forgives one failure in `leak` seconds. The attempt that
/// makes its burst full brings the first delay, of a second; each further one doubles it, up to `leak`. A hard counter
/// has no delays: it refuses what does not fit. Delays that begin are news, once in 15 minutes.
pub(super) async fn charge(conn: &mut Conn, asked: &[Asked], now: DateTime<Utc>) -> Result<Vec<Said>, DbError> {
    let said = charge_existing(conn, asked, now).await?;
    if said.len() == asked.len() {
        return Ok(said);
    }
    // Once for each place, ever: none is deleted.
    let (kinds, slots) = columns(asked.iter().map(|asked| &asked.place));
    sqlx::query!(
        "insert into myapi.throttle (kind, slot, level, changed_at, free_at, told_until)
         select asked.kind, asked.slot, 0, $3, to_timestamp(0), $3
         from unnest($1::smallint[], $2::integer[]) as asked (kind, slot)
         order by asked.kind, asked.slot
         on conflict do nothing",
        &kinds,
        &slots,
        now,
    )
    .execute(&mut *conn)
    .await?;
    charge_existing(conn, asked, now).await
}

/// Charges nothing where a counter is not there yet, and tells of those that are. The rows are locked one after the other
/// in the order of their places, so no two charges wait for each other, and are as the lock found them.
async fn charge_existing(conn: &mut Conn, asked: &[Asked], now: DateTime<Utc>) -> Result<Vec<Said>, DbError> {
    let (kinds, slots) = columns(asked.iter().map(|asked| &asked.place));
    let bursts: Vec<f64> = asked.iter().map(|asked| f64::from(asked.limit.burst())).collect();
    let leaks: Vec<f64> = asked.iter().map(|asked| asked.limit.leak()).collect();
    let are_hard: Vec<bool> = asked.iter().map(|asked| asked.is_hard).collect();
    // `(select $1)`: a list whose length the planner sees is planned anew each time, for more than it takes to run.
    let said = sqlx::query_as!(
        Said,
        r#"with held as materialized (
               select throttle.kind, throttle.slot, throttle.free_at, throttle.told_until, asked.burst, asked.leak,
                      asked.is_hard,
                      greatest(0, throttle.level
                          - greatest(0, extract(epoch from $6 - throttle.changed_at)) / asked.leak) + 1 as level
               from unnest(
                   (select $1::smallint[]), (select $2::integer[]), (select $3::float8[]), (select $4::float8[]),
                   (select $5::boolean[])
               ) as asked (kind, slot, burst, leak, is_hard)
               join myapi.throttle using (kind, slot)
               order by throttle.kind, throttle.slot
               for update of throttle
           ),
           judged as (
               select held.*,
                      case
                          when is_hard and level > burst + 1e-6 then $6 + make_interval(secs => (level - burst) * leak)
                          when not is_hard and free_at > $6 then free_at
                      end as refused_until,
                      case
                          -- Left as it is: an attempt of a millisecond earlier may come a millisecond later.
                          when is_hard or level < burst - 1 + 1e-6 then free_at
                          else $6
                              + make_interval(secs => least(leak, power(2, least(30, ceil(level - burst - 1e-6)))))
                      end as next_free_at
               from held
           ),
           verdict as (
               select bool_and(refused_until is null) as is_granted, count(*) = cardinality($1) as is_whole from judged
           ),
           charged as (
               update myapi.throttle
               set level = case when is_granted then judged.level else throttle.level end,
                   changed_at = case when is_granted then greatest(throttle.changed_at, $6) else throttle.changed_at end,
                   free_at = case when is_granted then judged.next_free_at else throttle.free_at end,
                   told_until = case
                       when judged.told_until <= $6 and (judged.refused_until is not null or judged.next_free_at > $6)
                           then $6 + interval '15 minutes'
                       else throttle.told_until
                   end
               from judged, verdict
               where throttle.kind = judged.kind
                   and throttle.slot = judged.slot
                   and is_whole
                   and (is_granted or (judged.refused_until is not null and judged.told_until <= $6))
               returning throttle.kind, throttle.slot, throttle.told_until > judged.told_until as is_news
           )
           select judged.kind, judged.slot, refused_until, next_free_at as "free_at!",
                  coalesce(charged.is_news, false) as "is_news!"
           from judged
           left join charged on charged.kind = judged.kind and charged.slot = judged.slot"#,
        &kinds,
        &slots,
        &bursts,
        &leaks,
        &are_hard,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(said)
}

/// Takes one charge back from each place. A delay that it brought, and nothing after it changed, goes with it.
pub(super) async fn refund(conn: &mut Conn, charged: &[(Place, DateTime<Utc>)]) -> Result<(), DbError> {
    let (kinds, slots) = columns(charged.iter().map(|(place, _)| place));
    let free_ats: Vec<DateTime<Utc>> = charged.iter().map(|(_, free_at)| *free_at).collect();
    // Locked in the order of charges. The charge was let through, so there was no delay before it.
    sqlx::query!(
        "with held as materialized (
             select throttle.kind, throttle.slot, charged.free_at
             from unnest((select $1::smallint[]), (select $2::integer[]), (select $3::timestamptz[]))
                 as charged (kind, slot, free_at)
             join myapi.throttle using (kind, slot)
             order by throttle.kind, throttle.slot
             for update of throttle
         )
         update myapi.throttle
         set level = greatest(0, level - 1),
             free_at = case when throttle.free_at = held.free_at then to_timestamp(0) else throttle.free_at end
         from held
         where throttle.kind = held.kind and throttle.slot = held.slot",
        &kinds,
        &slots,
        &free_ats,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How the counters of a client's secret stand: at its address, anywhere, and where it was right. One by one: the plan of
/// a list is made anew each time, and every client that shows a secret waits for it.
pub(super) async fn find_secret(
    conn: &mut Conn,
    here: Place,
    anywhere: Place,
    known: Place,
) -> Result<SecretStanding, DbError> {
    let standing = sqlx::query_as!(
        SecretStanding,
        "select (select free_at from myapi.throttle where kind = $1 and slot = $2) as here_free_at,
                (select free_at from myapi.throttle where kind = $3 and slot = $4) as anywhere_free_at,
                (select changed_at from myapi.throttle where kind = $5 and slot = $6) as known_at",
        here.kind as i16,
        here.slot,
        anywhere.kind as i16,
        anywhere.slot,
        known.kind as i16,
        known.slot,
    )
    .fetch_one(conn)
    .await?;
    Ok(standing)
}

/// Notes that something happened at `place`, which counts nothing.
pub(super) async fn note(conn: &mut Conn, place: Place, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.throttle (kind, slot, level, changed_at, free_at, told_until)
         values ($1, $2, 0, $3, $3, $3)
         on conflict (kind, slot) do update set changed_at = greatest(throttle.changed_at, excluded.changed_at)",
        place.kind as i16,
        place.slot,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these names the account knows, and when each was last noted.
pub(super) async fn list_devices(
    conn: &mut Conn,
    sub: Uuid,
    names: &[Digest],
    since: DateTime<Utc>,
) -> Result<Vec<(Vec<u8>, DateTime<Utc>)>, DbError> {
    let names: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    let known = sqlx::query!(
        "select device_hash, seen_at
         from myapi.known_devices
         where sub = $1 and device_hash = any($2) and seen_at > $3",
        sub,
        &names,
        since,
    )
    .fetch_all(conn)
    .await?;
    Ok(known.into_iter().map(|row| (row.device_hash, row.seen_at)).collect())
}

/// Serialises whoever adds devices to one account; false when the user is gone.
pub(super) async fn lock_account(conn: &mut Conn, sub: Uuid) -> Result<bool, DbError> {
    let found = sqlx::query_scalar!("select sub from myapi.users where sub = $1 for no key update", sub);
    Ok(found.fetch_optional(conn).await?.is_some())
}

pub(super) async fn upsert_device(
    conn: &mut Conn,
    sub: Uuid,
    name: &Digest,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.known_devices (sub, device_hash, seen_at)
         values ($1, $2, $3)
         on conflict (sub, device_hash) do update set seen_at = greatest(known_devices.seen_at, excluded.seen_at)",
        sub,
        name.as_slice(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets devices that were last seen before `since`, and all but the `most` newest.
pub(super) async fn trim_devices(conn: &mut Conn, sub: Uuid, since: DateTime<Utc>, most: i64) -> Result<(), DbError> {
    sqlx::query!(
        "delete from myapi.known_devices
         where sub = $1
             and (seen_at <= $2 or device_hash in (
                 select device_hash from myapi.known_devices where sub = $1 order by seen_at desc, device_hash offset $3
             ))",
        sub,
        since,
        most,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn delete_device(conn: &mut Conn, sub: Uuid, name: &[u8]) -> Result<(), DbError> {
    sqlx::query!("delete from myapi.known_devices where sub = $1 and device_hash = $2", sub, name)
        .execute(conn)
        .await?;
    Ok(())
}

fn columns<'a>(places: impl Iterator<Item = &'a Place>) -> (Vec<i16>, Vec<i32>) {
    places.map(|place| (place.kind as i16, place.slot)).unzip()
}
