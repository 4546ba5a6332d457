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

/// One counter as it stands.
pub(super) struct Standing {
    pub(super) kind: i16,
    pub(super) free_at: DateTime<Utc>,
    pub(super) changed_at: DateTime<Utc>,
}

/// Charges all of these counters, or none of them.
pub(super) async fn charge(conn: &mut Conn, asked: &[Asked], now: DateTime<Utc>) -> Result<Vec<Said>, DbError> {
    let (kinds, slots) = columns(asked.iter().map(|asked| &asked.place));
    let bursts: Vec<f64> = asked.iter().map(|asked| f64::from(asked.limit.burst())).collect();
    let leaks: Vec<f64> = asked.iter().map(|asked| asked.limit.leak()).collect();
    let are_hard: Vec<bool> = asked.iter().map(|asked| asked.is_hard).collect();
    let said = sqlx::query_as!(
        Said,
        r#"select kind as "kind!", slot as "slot!", refused_until, free_at as "free_at!", is_news as "is_news!"
           from myapi.charge_throttle($1, $2, $3, $4, $5, $6)"#,
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
    // Locked in the order of `charge_throttle`. The charge was let through, so there was no delay before it.
    sqlx::query!(
        "with held as (
             select throttle.kind, throttle.slot, charged.free_at
             from myapi.throttle
             join unnest($1::smallint[], $2::integer[], $3::timestamptz[]) as charged (kind, slot, free_at)
                 using (kind, slot)
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

pub(super) async fn list(conn: &mut Conn, places: &[Place]) -> Result<Vec<Standing>, DbError> {
    let (kinds, slots) = columns(places.iter());
    let standing = sqlx::query_as!(
        Standing,
        "select throttle.kind, throttle.free_at, throttle.changed_at
         from myapi.throttle
         join unnest($1::smallint[], $2::integer[]) as asked (kind, slot) using (kind, slot)",
        &kinds,
        &slots,
    )
    .fetch_all(conn)
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
