//! Writing the feed, and asking it.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

use super::model::{Revoked, TokenIds};
use super::store;

/// Appends to the feed. Call it as the last statement of the transaction that made these things dead: it takes a lock
/// that every other writer waits for until the commit.
///
/// # Errors
/// [`DbError`] when there is no answer; roll back then.
pub async fn append(conn: &mut Conn, revoked: &[Revoked], now: DateTime<Utc>) -> Result<(), DbError> {
    if revoked.is_empty() { Ok(()) } else { store::insert(conn, revoked, now).await }
}

/// Whether a token was revoked, by itself or with its session, user, client or key.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn is_revoked(conn: &mut Conn, token: &TokenIds<'_>, now: DateTime<Utc>) -> Result<bool, DbError> {
    store::is_revoked(conn, token, now).await
}
