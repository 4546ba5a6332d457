//! Taking proofs, once each.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::dpop::Proof;

use super::store;

/// Takes a proof that is good in every other way; false where somebody took it before. What waits for another transaction
/// that is about to take it waits here.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn take(conn: &mut Conn, proof: &Proof) -> Result<bool, DbError> {
    store::insert(conn, &proof.id(), proof.expires_at()).await
}

/// Forgets proofs that were too old before `before`, so many at once; tells how many.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn delete_expired(conn: &mut Conn, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
    store::delete(conn, before, limit).await
}
