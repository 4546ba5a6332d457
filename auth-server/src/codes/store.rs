//! The table `authorization_codes`. Every look at a code carries its end, so that it touches one partition.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::{Code, NewCode, StoredCode};

pub(super) async fn insert(conn: &mut Conn, code: &Code, new: &NewCode, now: DateTime<Utc>) -> Result<(), DbError> {
    let hash = code.hash();
    let scope: Vec<String> = new.scope.iter().map(str::to_owned).collect();
    sqlx::query!(
        "insert into myapi.authorization_codes
             (code_hash, expires_at, client_id, sub, user_version, session_id, redirect_uri, scope, nonce,
              code_challenge, auth_time, created_at, audience, dpop_jkt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        hash.as_slice(),
        code.expires_at(),
        new.client_id.as_str(),
        new.sub,
        new.user_version,
        new.session_id,
        new.redirect_uri,
        &scope,
        new.nonce,
        new.code_challenge,
        new.auth_time,
        now,
        new.audience,
        new.dpop_jkt.as_ref().map(Thumbprint::as_str),
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn find(conn: &mut Conn, code: &Code) -> Result<Option<StoredCode>, DbError> {
    let hash = code.hash();
    let row = sqlx::query!(
        "select expires_at, client_id, sub, user_version, session_id, redirect_uri, scope, nonce, code_challenge,
                dpop_jkt, auth_time, failures, consumed_at, audience
         from myapi.authorization_codes
         where code_hash = $1 and expires_at = $2",
        hash.as_slice(),
        code.expires_at(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let broken = |column: &str| {
        let message = format!("authorization_codes.{column} of session_id {} cannot be read", row.session_id);
        DbError::Other(sqlx::Error::Decode(message.into()))
    };
    let dpop_jkt = row.dpop_jkt.as_deref().map(str::parse).transpose();
    let given_for = NewCode {
        dpop_jkt: dpop_jkt.map_err(|_| broken("dpop_jkt"))?,
        client_id: row.client_id.parse().map_err(|_| broken("client_id"))?,
        audience: row.audience,
        scope: ScopeSet::from_names(&row.scope).map_err(|_| broken("scope"))?,
        sub: row.sub,
        user_version: row.user_version,
        session_id: row.session_id,
        redirect_uri: row.redirect_uri,
        nonce: row.nonce,
        code_challenge: row.code_challenge,
        auth_time: row.auth_time,
    };
    let (expires_at, failures, consumed_at) = (row.expires_at, row.failures, row.consumed_at);
    Ok(Some(StoredCode { given_for, expires_at, failures, consumed_at }))
}

/// The one update that consumes; false where it was consumed before, has ended, or was tried too often.
pub(super) async fn consume(
    conn: &mut Conn,
    code: &Code,
    most_failures: i16,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let hash = code.hash();
    let consumed = sqlx::query_scalar!(
        "update myapi.authorization_codes
         set consumed_at = $3
         where code_hash = $1 and expires_at = $2 and consumed_at is null and expires_at > $3 and failures < $4
         returning session_id",
        hash.as_slice(),
        code.expires_at(),
        now,
        most_failures,
    )
    .fetch_optional(conn)
    .await?;
    Ok(consumed.is_some())
}

/// What the tokens are known by that it gave, in the transaction that consumed it.
pub(super) async fn update_given(conn: &mut Conn, code: &Code, sid: Uuid, access_ttl: i32) -> Result<(), DbError> {
    let hash = code.hash();
    sqlx::query!(
        "update myapi.authorization_codes set sid = $3, access_ttl = $4 where code_hash = $1 and expires_at = $2",
        hash.as_slice(),
        code.expires_at(),
        sid,
        access_ttl,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn count_failure(conn: &mut Conn, code: &Code, most_failures: i16) -> Result<(), DbError> {
    let hash = code.hash();
    sqlx::query!(
        "update myapi.authorization_codes
         set failures = failures + 1
         where code_hash = $1 and expires_at = $2 and consumed_at is null and failures < $3",
        hash.as_slice(),
        code.expires_at(),
        most_failures,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a consumed code gave: sid and seconds. `None` where it gave nothing, or a replay was seen before.
pub(super) async fn mark_replayed(
    conn: &mut Conn,
    code: &Code,
    now: DateTime<Utc>,
) -> Result<Option<(Uuid, i32)>, DbError> {
    let hash = code.hash();
    let row = sqlx::query!(
        "update myapi.authorization_codes
         set replayed_at = $3
         where code_hash = $1 and expires_at = $2 and consumed_at is not null and replayed_at is null
         returning sid, access_ttl",
        hash.as_slice(),
        code.expires_at(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| row.sid.zip(row.access_ttl)))
}
