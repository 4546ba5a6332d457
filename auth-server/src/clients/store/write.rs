//! Changes to `myapi.clients`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::scope::ScopeSet;

use super::super::authentication::AuthMethod;
use super::super::model::{Client, ClientId, NewClient};
use super::row::Row;

/// `None` when the id is taken, be it by a deleted client.
pub(in crate::clients) async fn insert(
    conn: &mut Conn,
    new: &NewClient,
    now: DateTime<Utc>,
) -> Result<Option<Client>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "insert into myapi.clients
             (client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type, redirect_uris,
              post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl, refresh_token_ttl,
              refresh_retry_window, created_at, audiences, require_pushed_authorization_requests,
              dpop_bound_access_tokens, token_endpoint_auth_method, jwks, jwks_uri)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                 $21, $22, $23)
         on conflict (client_id) do nothing
         returning client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type,
                   redirect_uris, post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl,
                   refresh_token_ttl, refresh_retry_window, client_version, created_at, disabled_at, audiences,
                   require_pushed_authorization_requests, dpop_bound_access_tokens, token_endpoint_auth_method,
                   jwks, jwks_uri",
        new.client_id.as_str(),
        new.name,
        new.kind.as_str(),
        &grants(new),
        &names(&new.scopes),
        &names(&new.default_scopes),
        new.audience,
        new.serves,
        new.application_type.as_str(),
        &new.redirect_uris,
        &new.post_logout_redirect_uris,
        new.skips_consent,
        seconds(new.lifetimes.access_token),
        seconds(new.lifetimes.refresh_idle),
        seconds(new.lifetimes.refresh_absolute),
        seconds(new.lifetimes.retry_window),
        now,
        &new.audiences,
        new.require_pushed_authorization_requests,
        new.dpop_bound_access_tokens,
        method(new),
        jwks(new)?,
        new.authentication.jwks_uri.as_ref().map(ToString::to_string),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Client::try_from).transpose()
}

/// Everything but the id, the kind and the version. `None` when there is no such client.
pub(in crate::clients) async fn update(conn: &mut Conn, new: &NewClient) -> Result<Option<Client>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "update myapi.clients
         set name = $2, grants = $3, scopes = $4, default_scopes = $5, audience = $6, serves = $7, application_type = $8,
             redirect_uris = $9, post_logout_redirect_uris = $10, skips_consent = $11, access_token_ttl = $12,
             refresh_token_idle_ttl = $13, refresh_token_ttl = $14, refresh_retry_window = $15,
             audiences = $16, require_pushed_authorization_requests = $17, dpop_bound_access_tokens = $18,
             token_endpoint_auth_method = $19, jwks = $20, jwks_uri = $21
         where client_id = $1 and deleted_at is null
         returning client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type,
                   redirect_uris, post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl,
                   refresh_token_ttl, refresh_retry_window, client_version, created_at, disabled_at, audiences,
                   require_pushed_authorization_requests, dpop_bound_access_tokens, token_endpoint_auth_method,
                   jwks, jwks_uri",
        new.client_id.as_str(),
        new.name,
        &grants(new),
        &names(&new.scopes),
        &names(&new.default_scopes),
        new.audience,
        new.serves,
        new.application_type.as_str(),
        &new.redirect_uris,
        &new.post_logout_redirect_uris,
        new.skips_consent,
        seconds(new.lifetimes.access_token),
        seconds(new.lifetimes.refresh_idle),
        seconds(new.lifetimes.refresh_absolute),
        seconds(new.lifetimes.retry_window),
        &new.audiences,
        new.require_pushed_authorization_requests,
        new.dpop_bound_access_tokens,
        method(new),
        jwks(new)?,
        new.authentication.jwks_uri.as_ref().map(ToString::to_string),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Client::try_from).transpose()
}

/// The last version of its tokens that is dead by this; `None` when it was disabled before or is not there.
pub(in crate::clients) async fn disable(
    conn: &mut Conn,
    client_id: &ClientId,
    now: DateTime<Utc>,
) -> Result<Option<i64>, DbError> {
    let dead = sqlx::query_scalar!(
        r#"update myapi.clients
           set disabled_at = $2, client_version = client_version + 1
           where client_id = $1 and deleted_at is null and disabled_at is null
           returning client_version - 1 as "dead!""#,
        client_id.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(dead)
}

pub(in crate::clients) async fn enable(conn: &mut Conn, client_id: &ClientId) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.clients set disabled_at = null where client_id = $1 and deleted_at is null",
        client_id.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last version of its tokens that is dead by this; `None` when it is not there.
pub(in crate::clients) async fn delete(
    conn: &mut Conn,
    client_id: &ClientId,
    now: DateTime<Utc>,
) -> Result<Option<i64>, DbError> {
    let dead = sqlx::query_scalar!(
        r#"update myapi.clients
           set deleted_at = $2, client_version = client_version + 1
           where client_id = $1 and deleted_at is null
           returning client_version - 1 as "dead!""#,
        client_id.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(dead)
}

/// What the kind does not say.
fn method(new: &NewClient) -> Option<&'static str> {
    let method = new.authentication.method;
    (method != AuthMethod::of_kind(new.kind)).then(|| method.as_str())
}

fn jwks(new: &NewClient) -> Result<Option<serde_json::Value>, DbError> {
    let written = new.authentication.jwks.as_ref().map(serde_json::to_value).transpose();
    written.map_err(|error| DbError::Other(sqlx::Error::Encode(error.into())))
}

fn grants(new: &NewClient) -> Vec<String> {
    new.grants.iter().map(|grant| grant.as_str().to_owned()).collect()
}

fn names(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(str::to_owned).collect()
}

fn seconds(ttl: Option<Duration>) -> Option<i32> {
    ttl.map(|ttl| i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX))
}
