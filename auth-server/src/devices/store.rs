//! The table `device_codes`. Every look by a device code carries its end, so that it touches one partition; a look by a
//! user code carries the hour in which its end must lie, which is one partition, and two around midnight.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::{Approval, Asking, Decision, DeviceCode, Polled};
use crate::clients::ClientId;

/// A device that starts to wait.
pub(super) struct NewDevice<'a> {
    pub(super) code: &'a DeviceCode,
    pub(super) user_code_hash: &'a [u8; 32],
    pub(super) asking: &'a Asking<'a>,
    pub(super) interval: i32,
}

/// A row as a user code finds it.
pub(super) struct Found {
    pub(super) expires_at: DateTime<Utc>,
    pub(super) client_id: ClientId,
    pub(super) scope: ScopeSet,
    pub(super) is_decided: bool,
}

pub(super) async fn insert(conn: &mut Conn, new: &NewDevice<'_>, now: DateTime<Utc>) -> Result<(), DbError> {
    let hash = new.code.hash();
    let scope = names(new.asking.scope);
    sqlx::query!(
        "insert into myapi.device_codes
             (code_hash, expires_at, user_code_hash, client_id, audience, scope, poll_interval, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        hash.as_slice(),
        new.code.expires_at(),
        new.user_code_hash.as_slice(),
        new.asking.client_id.as_str(),
        new.asking.audience,
        &scope,
        new.interval,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The devices that wait, or have waited, with one of these hashes and end in this time: one or none, but for a defect.
pub(super) async fn list_by_user_code(
    conn: &mut Conn,
    hashes: &[Vec<u8>],
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Found>, DbError> {
    let rows = sqlx::query!(
        r#"select expires_at, client_id, scope, decided_at is not null as "is_decided!"
           from myapi.device_codes
           where user_code_hash = any($1) and expires_at > $2 and expires_at <= $3
           limit 2"#,
        hashes,
        after,
        until,
    )
    .fetch_all(conn)
    .await?;
    let found = rows.into_iter().map(|row| {
        Ok(Found {
            client_id: row.client_id.parse().map_err(|_| broken("client_id", &row.client_id))?,
            scope: ScopeSet::from_names(&row.scope).map_err(|_| broken("scope", &row.client_id))?,
            expires_at: row.expires_at,
            is_decided: row.is_decided,
        })
    });
    found.collect()
}

/// One poll: it is noted, and where it came before its time while nobody has decided, the interval grows. `grace` is what
/// a network may make of an interval, in seconds. The row is locked by the update, so that polls at once come one after
/// the other.
pub(super) async fn poll(
    conn: &mut Conn,
    code: &DeviceCode,
    client_id: &ClientId,
    grace: f64,
    now: DateTime<Utc>,
) -> Result<Option<Polled>, DbError> {
    let hash = code.hash();
    let row = sqlx::query!(
        r#"update myapi.device_codes
           set is_early = decided_at is null
                   and coalesce(polled_at + make_interval(secs => poll_interval - $4::float8) > $5, false),
               poll_interval = case
                   when decided_at is null
                       and coalesce(polled_at + make_interval(secs => poll_interval - $4::float8) > $5, false)
                       then least(poll_interval + 5, 3600)
                   else poll_interval
               end,
               polled_at = greatest(polled_at, $5)
           where code_hash = $1 and expires_at = $2 and client_id = $3
           returning expires_at, audience, is_early, is_approved, sub, user_version, session_id, auth_time, scope, consumed_at"#,
        hash.as_slice(),
        code.expires_at(),
        client_id.as_str(),
        grace,
        now,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let approval = match (row.sub, row.user_version, row.session_id, row.auth_time) {
        (Some(sub), Some(user_version), Some(session_id), Some(auth_time)) => {
            let scope = ScopeSet::from_names(&row.scope).map_err(|_| broken("scope", client_id.as_str()))?;
            Some(Approval { sub, user_version, session_id, auth_time, scope })
        }
        _ => None,
    };
    let decision = match (row.is_approved, approval) {
        (None, _) => Decision::None,
        (Some(false), _) => Decision::Denied,
        (Some(true), Some(approval)) => Decision::Approved(approval),
        (Some(true), None) => return Err(broken("is_approved", client_id.as_str())),
    };
    let (expires_at, is_early, consumed_at) = (row.expires_at, row.is_early, row.consumed_at);
    Ok(Some(Polled { audience: row.audience, expires_at, is_early, decision, consumed_at }))
}

/// The one update that decides; false where it was decided before, or has ended. `None` is a no.
pub(super) async fn decide(
    conn: &mut Conn,
    hashes: &[Vec<u8>],
    expires_at: DateTime<Utc>,
    approval: Option<&Approval>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let scope = approval.map(|approval| names(&approval.scope));
    let decided = sqlx::query_scalar!(
        "update myapi.device_codes
         set decided_at = $3, is_approved = $4, sub = $5, user_version = $6, session_id = $7, auth_time = $8,
             scope = coalesce($9, scope)
         where user_code_hash = any($1) and expires_at = $2 and decided_at is null and expires_at > $3
         returning client_id",
        hashes,
        expires_at,
        now,
        approval.is_some(),
        approval.map(|approval| approval.sub),
        approval.map(|approval| approval.user_version),
        approval.map(|approval| approval.session_id),
        approval.map(|approval| approval.auth_time),
        scope.as_deref(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(decided.is_some())
}

/// The one update that consumes; `None` where it was consumed before, has ended, or nobody allowed it.
pub(super) async fn consume(
    conn: &mut Conn,
    code: &DeviceCode,
    client_id: &ClientId,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, DbError> {
    let hash = code.hash();
    let consumed = sqlx::query_scalar!(
        r#"update myapi.device_codes
           set consumed_at = $4
           where code_hash = $1 and expires_at = $2 and client_id = $3 and is_approved and consumed_at is null
               and expires_at > $4
           returning sub as "sub!""#,
        hash.as_slice(),
        code.expires_at(),
        client_id.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(consumed)
}

fn names(scope: &ScopeSet) -> Vec<String> {
    scope.iter().map(str::to_owned).collect()
}

fn broken(column: &str, client_id: &str) -> DbError {
    let message = format!("device_codes.{column} of client_id {client_id:?} cannot be read");
    DbError::Other(sqlx::Error::Decode(message.into()))
}
