//! The table `pushed_requests`. Every look at a request carries its end, so that it touches one partition.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

use super::model::RequestUri;
use crate::clients::ClientId;

pub(super) async fn insert(
    conn: &mut Conn,
    request_uri: &RequestUri,
    client_id: &ClientId,
    parameters: &[(String, String)],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let hash = request_uri.hash();
    let parameters =
        serde_json::to_value(parameters).map_err(|error| DbError::Other(sqlx::Error::Encode(error.into())))?;
    sqlx::query!(
        "insert into myapi.pushed_requests (request_hash, expires_at, client_id, parameters, created_at)
         values ($1, $2, $3, $4, $5)",
        hash.as_slice(),
        request_uri.expires_at(),
        client_id.as_str(),
        parameters,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The parameters of a request that was not answered yet.
pub(super) async fn find(
    conn: &mut Conn,
    request_uri: &RequestUri,
    client_id: &str,
) -> Result<Option<Vec<(String, String)>>, DbError> {
    let hash = request_uri.hash();
    let found = sqlx::query_scalar!(
        "select parameters
         from myapi.pushed_requests
         where request_hash = $1 and expires_at = $2 and client_id = $3 and answered_at is null",
        hash.as_slice(),
        request_uri.expires_at(),
        client_id,
    )
    .fetch_optional(conn)
    .await?;
    let Some(parameters) = found else { return Ok(None) };
    serde_json::from_value(parameters).map(Some).map_err(|_| {
        let message = format!("pushed_requests.parameters of a request of client_id {client_id:?} cannot be read");
        DbError::Other(sqlx::Error::Decode(message.into()))
    })
}

/// The one update that consumes.
pub(super) async fn consume(conn: &mut Conn, request_uri: &RequestUri, now: DateTime<Utc>) -> Result<bool, DbError> {
    let hash = request_uri.hash();
    let done = sqlx::query!(
        "update myapi.pushed_requests
         set answered_at = $3
         where request_hash = $1 and expires_at = $2 and answered_at is null",
        hash.as_slice(),
        request_uri.expires_at(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
