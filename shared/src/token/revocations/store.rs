//! SQL over the revocation feed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Entry, FeedError, Kind};
use crate::db::{Conn, DbError};

/// Where the feed stands.
pub(super) struct Head {
    pub(super) feed_id: Uuid,
    /// The highest number that is committed and whose partition is still there; 0 for none.
    pub(super) seq: i64,
}

/// Which feed this is, and its highest number.
pub(super) async fn head(conn: &mut Conn) -> Result<Head, DbError> {
    let head = sqlx::query_as!(
        Head,
        r#"
        select feed.feed_id, coalesce((select max(r.seq) from myapi.revocations r), 0) as "seq!"
        from myapi.revocation_feed feed
        "#
    )
    .fetch_one(conn)
    .await?;
    Ok(head)
}

/// The entries after `since` that are not over at `now`, by number.
pub(super) async fn list(conn: &mut Conn, since: i64, now: DateTime<Utc>) -> Result<Vec<Entry>, FeedError> {
    let rows = sqlx::query!(
        r#"
        select seq, kind, subject, version, expires_at
        from myapi.revocations
        where seq > $1 and expires_at > $2
        order by seq
        "#,
        since,
        now
    )
    .fetch_all(conn)
    .await
    .map_err(DbError::from)?;
    rows.into_iter()
        .map(|row| {
            let kind = Kind::find(&row.kind).ok_or(FeedError::Unknown(row.seq))?;
            let (seq, subject, version, expires_at) = (row.seq, row.subject, row.version, row.expires_at);
            Ok(Entry { seq, kind, subject, version, expires_at })
        })
        .collect()
}
