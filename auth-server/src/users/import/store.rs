//! The staging table of an import, which ends with its transaction.
//!
//! The statements here are plain strings: a checked macro cannot know a table that is made at run time.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

use super::ImportedUser;

pub(super) async fn create_staging(conn: &mut Conn) -> Result<(), DbError> {
    sqlx::query(
        "create temporary table users_staging (
             line bigint not null, email text not null, canonical text not null, name text, hashed_password text,
             email_verified boolean not null, is_disabled boolean not null
         ) on commit drop",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds users with the lines where they stand.
pub(super) async fn stage(conn: &mut Conn, users: &[(u64, ImportedUser)]) -> Result<(), DbError> {
    if users.is_empty() {
        return Ok(());
    }
    let lines: Vec<i64> = users.iter().map(|(line, _)| i64::try_from(*line).unwrap_or(i64::MAX)).collect();
    let texts = |text: fn(&ImportedUser) -> Option<&str>| users.iter().map(|(_, user)| text(user)).collect::<Vec<_>>();
    let flags = |flag: fn(&ImportedUser) -> bool| users.iter().map(|(_, user)| flag(user)).collect::<Vec<_>>();
    sqlx::query(
        "insert into pg_temp.users_staging
             (line, email, canonical, name, hashed_password, email_verified, is_disabled)
         select line, email, canonical, name, hashed_password, email_verified, is_disabled
         from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[])
             as staged (line, email, canonical, name, hashed_password, email_verified, is_disabled)",
    )
    .bind(lines)
    .bind(texts(|user| Some(user.email.as_str())))
    .bind(texts(|user| Some(user.email.canonical())))
    .bind(texts(|user| user.name.as_ref().map(|name| name.as_str())))
    .bind(texts(|user| user.hashed.as_ref().map(|hashed| hashed.as_str())))
    .bind(flags(|user| user.email_verified))
    .bind(flags(|user| user.is_disabled))
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes rows away whose address stood in an earlier line: (line, the earlier one).
pub(super) async fn delete_repeated(conn: &mut Conn) -> Result<Vec<(i64, i64)>, DbError> {
    // Without statistics the queries from here on would be planned for a table of a thousand rows.
    sqlx::query("analyze pg_temp.users_staging").execute(&mut *conn).await?;
    let repeated = sqlx::query_as(
        "delete from pg_temp.users_staging as staged
         using (
             select canonical, min(line) as first_line
             from pg_temp.users_staging
             group by canonical
             having count(*) > 1
         ) as first
         where staged.canonical = first.canonical and staged.line > first.first_line
         returning staged.line, first.first_line",
    )
    .fetch_all(conn)
    .await?;
    Ok(repeated)
}

/// Takes rows away whose address is a user's already, in any spelling, and returns their lines. `clashes` are the
/// canonical addresses that several rows of the old application share.
pub(super) async fn delete_taken(conn: &mut Conn, clashes: &[String]) -> Result<Vec<i64>, DbError> {
    let taken = sqlx::query_scalar(
        "delete from pg_temp.users_staging as staged
         where staged.canonical = any($1)
            or exists (select from myapi.users as u where u.email_canonical = staged.canonical)
            or exists (select from myapi.users as u where u.email = staged.email)
         returning staged.line",
    )
    .bind(clashes)
    .fetch_all(conn)
    .await?;
    Ok(taken)
}

/// Makes users of the rows that are left, and counts them.
pub(super) async fn insert_staged(conn: &mut Conn, now: DateTime<Utc>) -> Result<u64, DbError> {
    let done = sqlx::query(
        "insert into myapi.users
             (email, email_canonical, name, hashed_password, email_verified, disabled_at, created_at)
         select email, canonical, name, hashed_password, email_verified, case when is_disabled then $1 end, $1
         from pg_temp.users_staging
         order by line",
    )
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
