//! DDL, and sqlx's list of migrations. Plain strings: the query cache knows only what stands in the schema.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use sqlx::AssertSqlSafe;

/// False when the role is there, be it made by another run at the same moment: roles belong to the cluster.
pub(super) async fn create_role(conn: &mut Conn, role: &'static str) -> Result<bool, DbError> {
    match sqlx::query(AssertSqlSafe(format!("create role {role} nologin"))).execute(conn).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42710" | "23505")) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Grants what each migration grants: a room's own rights are in a function `apply_…_grants` of its own, so that no two
/// migrations write the same one.
pub(super) async fn apply_grants(conn: &mut Conn) -> Result<(), DbError> {
    let functions: Vec<String> = sqlx::query_scalar(
        r"select proname::text from pg_proc
          where pronamespace = 'myapi'::regnamespace and proname like 'apply\_%grants' and pronargs = 0
          order by proname",
    )
    .fetch_all(&mut *conn)
    .await?;
    for function in functions {
        sqlx::query(AssertSqlSafe(format!("select myapi.{function}()"))).execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn list_applied(conn: &mut Conn) -> Result<Vec<(i64, DateTime<Utc>)>, DbError> {
    let rows =
        sqlx::query_as("select version, installed_on from myapi._sqlx_migrations where success order by version")
            .fetch_all(conn)
            .await?;
    Ok(rows)
}
