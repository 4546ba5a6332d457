//! The table `consents`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::Consent;
use crate::clients::ClientId;

pub(super) async fn find_scope(conn: &mut Conn, sub: Uuid, client_id: &ClientId) -> Result<Option<ScopeSet>, DbError> {
    let scope = sqlx::query_scalar!(
        "select scope from myapi.consents where sub = $1 and client_id = $2",
        sub,
        client_id.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    scope.map(|scope| read(scope, sub)).transpose()
}

pub(super) async fn upsert(
    conn: &mut Conn,
    sub: Uuid,
    client_id: &ClientId,
    scope: &ScopeSet,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let scope: Vec<String> = scope.iter().map(str::to_owned).collect();
    sqlx::query!(
        "insert into myapi.consents as c (sub, client_id, scope, granted_at)
         values ($1, $2, $3, $4)
         on conflict (sub, client_id) do update
         set scope = array(select unnest(c.scope) union select unnest(excluded.scope) order by 1),
             granted_at = excluded.granted_at",
        sub,
        client_id.as_str(),
        &scope,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn list(conn: &mut Conn, sub: Option<Uuid>, limit: i64) -> Result<Vec<Consent>, DbError> {
    let rows = sqlx::query!(
        r#"select c.sub, u.email as "email!", c.client_id, c.scope, c.granted_at
           from myapi.consents c
           join myapi.users u on u.sub = c.sub
           where ($1::uuid is null or c.sub = $1) and u.email is not null
           order by u.email, c.client_id
           limit $2"#,
        sub,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let client_id = row.client_id.parse().map_err(|_| broken("client_id", row.sub))?;
            let scope = read(row.scope, row.sub)?;
            Ok(Consent { sub: row.sub, email: row.email, client_id, scope, granted_at: row.granted_at })
        })
        .collect()
}

/// The clients whose consents are gone.
pub(super) async fn delete(conn: &mut Conn, sub: Uuid, client_id: Option<&ClientId>) -> Result<Vec<ClientId>, DbError> {
    let gone = sqlx::query_scalar!(
        "delete from myapi.consents where sub = $1 and ($2::text is null or client_id = $2) returning client_id",
        sub,
        client_id.map(ClientId::as_str),
    )
    .fetch_all(conn)
    .await?;
    gone.iter().map(|client_id| client_id.parse().map_err(|_| broken("client_id", sub))).collect()
}

fn read(scope: Vec<String>, sub: Uuid) -> Result<ScopeSet, DbError> {
    ScopeSet::from_names(scope).map_err(|_| broken("scope", sub))
}

fn broken(column: &str, sub: Uuid) -> DbError {
    DbError::Other(sqlx::Error::Decode(format!("consents.{column} of sub {sub} cannot be read").into()))
}
