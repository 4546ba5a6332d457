//! The table `revocations`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::model::{Entry, Revoked, TokenIds};

pub(super) async fn insert(conn: &mut Conn, revoked: &[Revoked], now: DateTime<Utc>) -> Result<(), DbError> {
    let kinds: Vec<String> = revoked.iter().map(|entry| entry.kind().to_owned()).collect();
    let subjects: Vec<String> = revoked.iter().map(Revoked::subject).collect();
    let versions: Vec<Option<i64>> = revoked.iter().map(Revoked::version).collect();
    let expiries: Vec<DateTime<Utc>> = revoked.iter().map(|entry| entry.expires_at(now)).collect();
    sqlx::query!(
        "select myapi.append_revocations($1, $2, $3::bigint[], $4, $5)",
        &kinds,
        &subjects,
        &versions as &[Option<i64>],
        now,
        &expiries,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn is_revoked(conn: &mut Conn, token: &TokenIds<'_>, now: DateTime<Utc>) -> Result<bool, DbError> {
    let is_revoked = sqlx::query_scalar!(
        r#"select exists (
               select from myapi.revocations
               where expires_at > $1
                 and (
                     (kind = 'token' and subject = $2)
                     or (kind = 'session' and subject = $3)
                     or (kind = 'user' and subject = $4 and version >= $5)
                     or (kind = 'client' and subject = $6 and version >= $7)
                     or (kind = 'key' and subject = $8)
                 )
           ) as "is_revoked!""#,
        now,
        token.jti,
        token.sid,
        token.sub,
        token.ver.unwrap_or(0),
        token.client_id,
        token.cver.unwrap_or(0),
        token.kid,
    )
    .fetch_one(conn)
    .await?;
    Ok(is_revoked)
}

/// The feed's id and the highest number of a committed entry. Not the sequence's: a number may be given whose entry is
/// not committed yet.
pub(super) async fn find_head(conn: &mut Conn) -> Result<(Uuid, i64), DbError> {
    let head = sqlx::query!(
        r#"select feed_id, coalesce((select max(seq) from myapi.revocations), 0) as "seq!" from myapi.revocation_feed"#,
    )
    .fetch_one(conn)
    .await?;
    Ok((head.feed_id, head.seq))
}

/// By number, those that have not expired.
pub(super) async fn list(conn: &mut Conn, now: DateTime<Utc>) -> Result<Vec<Entry>, DbError> {
    let entries = sqlx::query_as!(
        Entry,
        "select seq, kind, subject, version, expires_at from myapi.revocations where expires_at > $1 order by seq",
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(entries)
}

pub(super) async fn update_feed_id(conn: &mut Conn, feed_id: Uuid) -> Result<(), DbError> {
    sqlx::query!("update myapi.revocation_feed set feed_id = $1", feed_id).execute(conn).await?;
    Ok(())
}
