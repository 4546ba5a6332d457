//! The tables `resource_servers` and `scopes`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::{Catalogue, NewScope, ResourceServer};
use super::reports::{NewReport, Report};

pub(super) async fn insert(conn: &mut Conn, audience: &str, name: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.resource_servers (audience, name, created_at) values ($1, $2, $3)",
        audience,
        name,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn insert_scope(conn: &mut Conn, audience: &str, new: &NewScope) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.scopes (scope, audience, description) values ($1, $2, $3)",
        new.scope,
        audience,
        new.description,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn update_audience(conn: &mut Conn, name: &str, audience: &str) -> Result<bool, DbError> {
    let done = sqlx::query!("update myapi.resource_servers set audience = $2 where name = $1", name, audience)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn list(conn: &mut Conn) -> Result<Vec<ResourceServer>, DbError> {
    let rows = sqlx::query!(
        r#"select r.audience, r.name, array_remove(array_agg(s.scope), null) as "scopes!: Vec<String>"
           from myapi.resource_servers r
           left join myapi.scopes s on s.audience = r.audience
           group by r.audience, r.name
           order by r.name"#,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(ResourceServer { scopes: set(row.scopes)?, audience: row.audience, name: row.name }))
        .collect()
}

pub(super) async fn find_scopes(conn: &mut Conn, audience: &str) -> Result<Option<ScopeSet>, DbError> {
    let found = sqlx::query_scalar!(
        r#"select array_remove(array_agg(s.scope), null) as "scopes!: Vec<String>"
           from myapi.resource_servers r
           left join myapi.scopes s on s.audience = r.audience or s.audience is null
           where r.audience = $1
           group by r.audience"#,
        audience,
    )
    .fetch_optional(conn)
    .await?;
    found.map(set).transpose()
}

pub(super) async fn list_catalogue(conn: &mut Conn) -> Result<Catalogue, DbError> {
    let rows = sqlx::query!(
        r#"select r.audience, array_remove(array_agg(s.scope), null) as "scopes!: Vec<String>"
           from myapi.resource_servers r
           left join myapi.scopes s on s.audience = r.audience or s.audience is null
           group by r.audience"#,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((row.audience, set(row.scopes)?))).collect()
}

pub(super) async fn list_scopes(conn: &mut Conn) -> Result<ScopeSet, DbError> {
    set(sqlx::query_scalar!("select scope from myapi.scopes").fetch_all(conn).await?)
}

pub(super) async fn list_descriptions(conn: &mut Conn, scopes: &ScopeSet) -> Result<BTreeMap<String, String>, DbError> {
    let names: Vec<String> = scopes.iter().map(str::to_owned).collect();
    let rows = sqlx::query!("select scope, description from myapi.scopes where scope = any($1)", &names)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.scope, row.description)).collect())
}

fn set(names: Vec<String>) -> Result<ScopeSet, DbError> {
    ScopeSet::from_names(names)
        .map_err(|error| DbError::Other(sqlx::Error::Decode(format!("scopes.scope: {error}").into())))
}

pub(super) async fn list_reports(conn: &mut Conn, listed_for: i64) -> Result<Vec<Report>, DbError> {
    let reports = sqlx::query_as!(
        Report,
        r#"select instance, reported_by, kids, feed_seq, source, silent_for as "silent_for!", known_for as "known_for!"
           from (
               select instance, reported_by, kids, feed_seq, source,
                      extract(epoch from clock_timestamp() - reported_at)::bigint as silent_for,
                      extract(epoch from clock_timestamp() - first_reported_at)::bigint as known_for
               from myapi.resource_server_reports
           ) r
           where silent_for < $1 or source = 'file'
           order by silent_for, instance"#,
        listed_for,
    )
    .fetch_all(conn)
    .await?;
    Ok(reports)
}

/// False where the process is another reporter's.
pub(super) async fn keep_report(
    conn: &mut Conn,
    reporter: &str,
    new: &NewReport,
    source: &str,
) -> Result<bool, DbError> {
    let is_kept = sqlx::query_scalar!(
        r#"select myapi.keep_resource_server_report($1, $2, $3, $4, $5) as "is_kept!""#,
        reporter,
        new.instance,
        &new.kids,
        new.feed_seq,
        source,
    )
    .fetch_one(conn)
    .await?;
    Ok(is_kept)
}

pub(super) async fn delete_report(conn: &mut Conn, instance: Uuid) -> Result<bool, DbError> {
    let done =
        sqlx::query!("delete from myapi.resource_server_reports where instance = $1", instance).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
