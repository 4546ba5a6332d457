//! Writing the feed, and asking it.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::model::{Revoked, Snapshot, TokenIds};
use super::store;

/// Appends to the feed. Call it as the last statement of the transaction that made these things dead: it takes a lock
/// that every other writer waits for until the commit.
///
/// # Errors
/// [`DbError`] when there is no answer; roll back then.
pub async fn append(conn: &mut Conn, revoked: &[Revoked], now: DateTime<Utc>) -> Result<(), DbError> {
    if revoked.is_empty() { Ok(()) } else { store::insert(conn, revoked, now).await }
}

/// The highest number of the feed.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn highest(conn: &mut Conn) -> Result<i64, DbError> {
    Ok(store::find_head(conn).await?.1)
}

/// The whole feed, as of now.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn snapshot(conn: &mut Conn, now: DateTime<Utc>) -> Result<Snapshot, DbError> {
    // The highest number first: what is appended between the two is read again the next time.
    let (feed_id, seq) = store::find_head(conn).await?;
    let mut entries = store::list(conn, now).await?;
    entries.retain(|entry| entry.seq <= seq);
    Ok(Snapshot { feed_id, seq, entries })
}

/// Whether a token was revoked, by itself or with its session, user, client or key.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn is_revoked(conn: &mut Conn, token: &TokenIds<'_>, now: DateTime<Utc>) -> Result<bool, DbError> {
    store::is_revoked(conn, token, now).await
}

/// Makes the feed another one, as after a restored dump: whoever follows it reads everything again. Only the owner of the
/// schema may.
///
/// # Errors
/// [`DbError`] when there is no answer; roll back then.
pub async fn renew(conn: &mut Conn) -> Result<Uuid, DbError> {
    let feed_id = Uuid::new_v4();
    store::update_feed_id(conn, feed_id).await?;
    Ok(feed_id)
}
