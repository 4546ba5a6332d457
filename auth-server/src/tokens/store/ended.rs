//! Families that end before their time. Only those that were alive until then are told of, once.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

use crate::clients::ClientId;

/// A family that was revoked just now.
pub(in crate::tokens) struct Ended {
    pub(in crate::tokens) family_id: Uuid,
    /// Seconds.
    pub(in crate::tokens) access_ttl: i32,
}

/// `None` where it was revoked before.
pub(in crate::tokens) async fn revoke_family(
    conn: &mut Conn,
    family_id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Option<Ended>, DbError> {
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $2, revoked_for = $3
         where family_id = $1 and revoked_at is null
         returning family_id, access_ttl",
        family_id,
        now,
        reason,
    )
    .fetch_optional(conn)
    .await?;
    Ok(ended)
}

/// The families that were alive until now.
pub(in crate::tokens) async fn revoke_session(
    conn: &mut Conn,
    session_id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, DbError> {
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $2, revoked_for = $3
         where session_id = $1 and revoked_at is null
         returning family_id, access_ttl",
        session_id,
        now,
        reason,
    )
    .fetch_all(conn)
    .await?;
    Ok(ended)
}

pub(in crate::tokens) async fn revoke_all(
    conn: &mut Conn,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, DbError> {
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $1, revoked_for = $2
         where revoked_at is null and expires_at > $1
         returning family_id, access_ttl",
        now,
        reason,
    )
    .fetch_all(conn)
    .await?;
    Ok(ended)
}

/// The families that were alive until now, of all clients or of some.
pub(in crate::tokens) async fn revoke_user(
    conn: &mut Conn,
    sub: Uuid,
    clients: Option<&[ClientId]>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, DbError> {
    let clients: Option<Vec<String>> = clients.map(|clients| clients.iter().map(ToString::to_string).collect());
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $2, revoked_for = $3
         where sub = $1 and revoked_at is null and expires_at > $2 and ($4::text[] is null or client_id = any($4))
         returning family_id, access_ttl",
        sub,
        now,
        reason,
        clients.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    Ok(ended)
}
