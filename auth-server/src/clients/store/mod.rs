//! The tables `clients`, `client_secrets` and `client_assertions`.

mod assertions;
mod row;
mod secrets;
mod write;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::known::{HeldSecret, Known};
use super::model::{Client, ClientId, GrantType};
use super::secret::SecretHash;
use row::Row;

pub(super) use assertions::insert_assertion;
pub(super) use secrets::{delete_secrets, insert_secret, keep_one_secret, list_secrets};
pub(super) use write::{delete, disable, enable, insert, update};

pub(super) async fn find(conn: &mut Conn, client_id: &ClientId) -> Result<Option<Client>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "select client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type,
                redirect_uris, post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl,
                refresh_token_ttl, refresh_retry_window, client_version, created_at, disabled_at, audiences,
                require_pushed_authorization_requests, dpop_bound_access_tokens, token_endpoint_auth_method,
                jwks, jwks_uri
         from myapi.clients
         where client_id = $1 and deleted_at is null",
        client_id.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Client::try_from).transpose()
}

/// The client, which nobody else changes until the transaction ends; logins, which refer to it, go on meanwhile.
pub(super) async fn find_locked(conn: &mut Conn, client_id: &ClientId) -> Result<Option<Client>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "select client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type,
                redirect_uris, post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl,
                refresh_token_ttl, refresh_retry_window, client_version, created_at, disabled_at, audiences,
                require_pushed_authorization_requests, dpop_bound_access_tokens, token_endpoint_auth_method,
                jwks, jwks_uri
         from myapi.clients
         where client_id = $1 and deleted_at is null
         for no key update",
        client_id.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Client::try_from).transpose()
}

/// What the client's revision is now. Every change of the client or its secrets makes another one, which nothing had before.
pub(super) async fn find_revision(conn: &mut Conn, client_id: &ClientId) -> Result<Option<Uuid>, DbError> {
    let revision = sqlx::query_scalar!(
        "select revision from myapi.clients where client_id = $1 and deleted_at is null",
        client_id.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(revision)
}

/// The client, its secrets, and the revision of both, as of one moment. Secrets that have ended may be among them.
pub(super) async fn find_known(conn: &mut Conn, client_id: &ClientId) -> Result<Option<Known>, DbError> {
    let found = sqlx::query!(
        r#"select c.client_id, c.name, c.kind, c.grants, c.scopes, c.default_scopes, c.audience, c.serves,
                  c.application_type, c.redirect_uris, c.post_logout_redirect_uris, c.skips_consent,
                  c.access_token_ttl, c.refresh_token_idle_ttl, c.refresh_token_ttl, c.refresh_retry_window,
                  c.client_version, c.created_at, c.disabled_at, c.audiences,
                  c.require_pushed_authorization_requests, c.dpop_bound_access_tokens,
                  c.token_endpoint_auth_method, c.jwks, c.jwks_uri, c.revision,
                  array(
                      select s.secret_hash from myapi.client_secrets s where s.client_id = c.client_id order by s.secret_id
                  ) as "secret_hashes!",
                  array(
                      select s.expires_at from myapi.client_secrets s where s.client_id = c.client_id order by s.secret_id
                  ) as "secret_ends!: Vec<Option<DateTime<Utc>>>"
           from myapi.clients c
           where c.client_id = $1 and c.deleted_at is null"#,
        client_id.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(record) = found else { return Ok(None) };
    let row = Row {
        client_id: record.client_id,
        name: record.name,
        kind: record.kind,
        grants: record.grants,
        scopes: record.scopes,
        default_scopes: record.default_scopes,
        audience: record.audience,
        serves: record.serves,
        application_type: record.application_type,
        redirect_uris: record.redirect_uris,
        post_logout_redirect_uris: record.post_logout_redirect_uris,
        skips_consent: record.skips_consent,
        access_token_ttl: record.access_token_ttl,
        refresh_token_idle_ttl: record.refresh_token_idle_ttl,
        refresh_token_ttl: record.refresh_token_ttl,
        refresh_retry_window: record.refresh_retry_window,
        client_version: record.client_version,
        created_at: record.created_at,
        disabled_at: record.disabled_at,
        audiences: record.audiences,
        require_pushed_authorization_requests: record.require_pushed_authorization_requests,
        dpop_bound_access_tokens: record.dpop_bound_access_tokens,
        token_endpoint_auth_method: record.token_endpoint_auth_method,
        jwks: record.jwks,
        jwks_uri: record.jwks_uri,
    };
    let secrets = record.secret_hashes.iter().zip(record.secret_ends).map(|(hash, expires_at)| {
        let hash = SecretHash::from_bytes(hash).ok_or_else(|| {
            let message = format!("client_secrets.secret_hash of client_id {:?} cannot be read", row.client_id);
            DbError::Other(sqlx::Error::Decode(message.into()))
        })?;
        Ok(HeldSecret { hash, expires_at })
    });
    let secrets = secrets.collect::<Result<_, DbError>>()?;
    Ok(Some(Known { client: Arc::new(row.try_into()?), secrets, revision: record.revision }))
}

pub(super) async fn list(conn: &mut Conn) -> Result<Vec<Client>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "select client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type,
                redirect_uris, post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl,
                refresh_token_ttl, refresh_retry_window, client_version, created_at, disabled_at, audiences,
                require_pushed_authorization_requests, dpop_bound_access_tokens, token_endpoint_auth_method,
                jwks, jwks_uri
         from myapi.clients
         where deleted_at is null
         order by client_id",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Client::try_from).collect()
}

/// All of them, which nobody else changes until the transaction ends; nor does anybody else hold this lock meanwhile.
pub(super) async fn list_locked(conn: &mut Conn) -> Result<Vec<Client>, DbError> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('myapi.clients', 0))").execute(&mut *conn).await?;
    let rows = sqlx::query_as!(
        Row,
        "select client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type,
                redirect_uris, post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl,
                refresh_token_ttl, refresh_retry_window, client_version, created_at, disabled_at, audiences,
                require_pushed_authorization_requests, dpop_bound_access_tokens, token_endpoint_auth_method,
                jwks, jwks_uri
         from myapi.clients
         where deleted_at is null
         order by client_id
         for no key update",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Client::try_from).collect()
}

/// The first of these ids that a deleted client has.
pub(super) async fn find_deleted(conn: &mut Conn, ids: &[String]) -> Result<Option<String>, DbError> {
    let found = sqlx::query_scalar!(
        "select client_id
         from myapi.clients
         where deleted_at is not null and client_id = any($1)
         order by client_id
         limit 1",
        ids,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// Names that this binary does not know are a newer one's grants: not ours to list.
pub(super) async fn list_grants_in_use(conn: &mut Conn) -> Result<Vec<GrantType>, DbError> {
    let names = sqlx::query_scalar!(
        r#"select distinct unnest(grants) as "grant_type!"
           from myapi.clients
           where deleted_at is null and disabled_at is null
           order by 1"#,
    )
    .fetch_all(conn)
    .await?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}
