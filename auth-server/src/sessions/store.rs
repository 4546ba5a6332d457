//! The table `sessions`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::model::{Listed, Session};

pub(super) async fn insert(conn: &mut Conn, session: &Session, token_hash: &[u8]) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.sessions
             (session_id, token_hash, sub, user_version, auth_time, used_at, idle_expires_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        session.session_id,
        token_hash,
        session.sub,
        session.user_version,
        session.auth_time,
        session.used_at,
        session.idle_expires_at,
        session.expires_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The same session under another secret; false where it has ended meanwhile.
pub(super) async fn renew(conn: &mut Conn, session: &Session, token_hash: &[u8]) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "update myapi.sessions
         set token_hash = $2, user_version = $3, auth_time = $4, used_at = $5, idle_expires_at = $6, expires_at = $7
         where session_id = $1 and ended_at is null",
        session.session_id,
        token_hash,
        session.user_version,
        session.auth_time,
        session.used_at,
        session.idle_expires_at,
        session.expires_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A session that was not ended and is not over.
pub(super) async fn find(conn: &mut Conn, token_hash: &[u8], now: DateTime<Utc>) -> Result<Option<Session>, DbError> {
    let session = sqlx::query_as!(
        Session,
        "select session_id, sub, user_version, auth_time, used_at, idle_expires_at, expires_at
         from myapi.sessions
         where token_hash = $1 and ended_at is null and idle_expires_at > $2 and expires_at > $2",
        token_hash,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(session)
}

pub(super) async fn touch(conn: &mut Conn, session: &Session) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.sessions set used_at = $2, idle_expires_at = $3 where session_id = $1 and ended_at is null",
        session.session_id,
        session.used_at,
        session.idle_expires_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Nobody ends the session until the transaction ends. The condition is judged again after a wait for the lock.
pub(super) async fn hold(conn: &mut Conn, session_id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
    let held = sqlx::query_scalar!(
        "select session_id
         from myapi.sessions
         where session_id = $1 and ended_at is null and expires_at > $2
         for share",
        session_id,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(held.is_some())
}

/// Whose it was; `None` where it had ended before.
pub(super) async fn end(conn: &mut Conn, session_id: Uuid, now: DateTime<Utc>) -> Result<Option<Uuid>, DbError> {
    let sub = sqlx::query_scalar!(
        "update myapi.sessions set ended_at = $2 where session_id = $1 and ended_at is null returning sub",
        session_id,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(sub)
}

pub(super) async fn end_all(conn: &mut Conn, sub: Uuid, now: DateTime<Utc>) -> Result<u64, DbError> {
    let done = sqlx::query!("update myapi.sessions set ended_at = $2 where sub = $1 and ended_at is null", sub, now)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

pub(super) async fn list(
    conn: &mut Conn,
    sub: Option<Uuid>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Listed>, DbError> {
    let listed = sqlx::query_as!(
        Listed,
        r#"select s.session_id, s.sub, u.email as "email!", s.auth_time, s.used_at, s.idle_expires_at, s.expires_at
           from myapi.sessions s
           join myapi.users u on u.sub = s.sub and u.token_version = s.user_version
           where ($1::uuid is null or s.sub = $1)
             and s.ended_at is null and s.idle_expires_at > $2 and s.expires_at > $2
             and u.disabled_at is null and u.email is not null
           order by s.used_at desc, s.session_id
           limit $3"#,
        sub,
        now,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(listed)
}
