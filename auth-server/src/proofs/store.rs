//! The table `dpop_proofs`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

/// False where it is there already.
pub(super) async fn insert(conn: &mut Conn, hash: &[u8; 32], expires_at: DateTime<Utc>) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "insert into myapi.dpop_proofs (proof_hash, expires_at)
         values ($1, $2)
         on conflict on constraint dpop_proofs_pkey do nothing",
        hash.as_slice(),
        expires_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Without a lock of its own, for which a role has to be allowed to update: two at once wait for each other's rows.
pub(super) async fn delete(conn: &mut Conn, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "delete from myapi.dpop_proofs
         where proof_hash in (
             select proof_hash from myapi.dpop_proofs
             where expires_at < $1
             order by expires_at
             limit $2
         )",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
