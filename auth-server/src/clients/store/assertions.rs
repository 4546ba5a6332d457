//! The table `client_assertions`: what was used, until it could not be used any more anyhow.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

use super::super::assertion::{LEEWAY, LONGEST_LIFE, Used};

/// False where the same client used the same `jti` before. Of many at once with one assertion one inserts; a second
/// assertion with the `jti` of an earlier one is found by its hash, in the partitions in which it can lie.
pub(in crate::clients) async fn insert_assertion(
    conn: &mut Conn,
    used: &Used,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let latest = now + LONGEST_LIFE + LEEWAY + LEEWAY;
    let inserted = sqlx::query!(
        "insert into myapi.client_assertions (assertion_hash, expires_at)
         select $1, $2
         where not exists (
             select from myapi.client_assertions
             where assertion_hash = $1 and expires_at > $3 and expires_at <= $4
         )
         on conflict (assertion_hash, expires_at) do nothing",
        used.hash.as_slice(),
        used.until,
        now,
        latest,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
