//! The functions of the schema's owner that make and drop partitions.

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{Conn, DbError};
use sqlx::postgres::types::PgInterval;

pub(super) async fn make_partitions(
    conn: &mut Conn,
    table: &str,
    step: TimeDelta,
    until: DateTime<Utc>,
) -> Result<i32, DbError> {
    let days = i32::try_from(step.num_days()).unwrap_or(7);
    let step = PgInterval { months: 0, days, microseconds: 0 };
    let made = sqlx::query_scalar!(r#"select myapi.make_partitions($1, $2, $3) as "made!""#, table, step, until)
        .fetch_one(conn)
        .await?;
    Ok(made)
}

/// The name of the partition that is gone, if one was old enough.
pub(super) async fn drop_partition(
    conn: &mut Conn,
    table: &str,
    before: DateTime<Utc>,
) -> Result<Option<String>, DbError> {
    let dropped = sqlx::query_scalar!("select myapi.drop_partition($1, $2)", table, before).fetch_one(conn).await?;
    Ok(dropped)
}

/// Whether rows lie in the default partition, which is there for rows that no other one takes.
pub(super) async fn has_strays(conn: &mut Conn, table: &str) -> Result<bool, DbError> {
    let has_strays = match table {
        "refresh_tokens" => {
            sqlx::query_scalar!(r#"select exists (select from myapi.refresh_tokens_default) as "has_strays!""#)
                .fetch_one(conn)
                .await?
        }
        "audit_events" => {
            sqlx::query_scalar!(r#"select exists (select from myapi.audit_events_default) as "has_strays!""#)
                .fetch_one(conn)
                .await?
        }
        "authorization_codes" => {
            sqlx::query_scalar!(r#"select exists (select from myapi.authorization_codes_default) as "has_strays!""#)
                .fetch_one(conn)
                .await?
        }
        "device_codes" => {
            sqlx::query_scalar!(r#"select exists (select from myapi.device_codes_default) as "has_strays!""#)
                .fetch_one(conn)
                .await?
        }
        "pushed_requests" => {
            sqlx::query_scalar!(r#"select exists (select from myapi.pushed_requests_default) as "has_strays!""#)
                .fetch_one(conn)
                .await?
        }
        "client_assertions" => {
            sqlx::query_scalar!(r#"select exists (select from myapi.client_assertions_default) as "has_strays!""#)
                .fetch_one(conn)
                .await?
        }
        _ => {
            sqlx::query_scalar!(r#"select exists (select from myapi.revocations_default) as "has_strays!""#)
                .fetch_one(conn)
                .await?
        }
    };
    Ok(has_strays)
}

pub(super) async fn delete_families(conn: &mut Conn, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "delete from myapi.families
         where family_id in (
             select family_id from myapi.families
             where expires_at < $1
             order by expires_at
             limit $2
             for update skip locked
         )",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Sessions that are over, or were ended; what came from them knows them by id alone.
pub(super) async fn delete_sessions(conn: &mut Conn, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "delete from myapi.sessions
         where session_id in (
             select session_id from myapi.sessions
             where expires_at < $1 or idle_expires_at < $1 or ended_at < $1
             limit $2
             for update skip locked
         )",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
