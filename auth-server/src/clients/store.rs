//! The tables `clients` and `client_secrets`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::{Client, ClientId, GrantType, Lifetimes, NewClient};

struct Row {
    client_id: String,
    name: String,
    kind: String,
    grants: Vec<String>,
    scopes: Vec<String>,
    default_scopes: Vec<String>,
    audience: String,
    serves: Option<String>,
    application_type: String,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    skips_consent: bool,
    access_token_ttl: Option<i32>,
    refresh_token_idle_ttl: Option<i32>,
    refresh_token_ttl: Option<i32>,
    refresh_retry_window: Option<i32>,
    client_version: i64,
    created_at: DateTime<Utc>,
    disabled_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Client {
    type Error = DbError;

    /// A row that no code of ours can have written is an error that names it.
    fn try_from(row: Row) -> Result<Self, DbError> {
        let broken = |column: &str| {
            let message = format!("clients.{column} of client_id {:?} cannot be read", row.client_id);
            DbError::Other(sqlx::Error::Decode(message.into()))
        };
        let grants: Result<Vec<GrantType>, _> = row.grants.iter().map(|grant| grant.parse()).collect();
        let seconds = |ttl: Option<i32>, column: &str| {
            ttl.map(|ttl| u64::try_from(ttl).map(Duration::from_secs)).transpose().map_err(|_| broken(column))
        };
        let lifetimes = Lifetimes {
            access_token: seconds(row.access_token_ttl, "access_token_ttl")?,
            refresh_idle: seconds(row.refresh_token_idle_ttl, "refresh_token_idle_ttl")?,
            refresh_absolute: seconds(row.refresh_token_ttl, "refresh_token_ttl")?,
            retry_window: seconds(row.refresh_retry_window, "refresh_retry_window")?,
        };
        Ok(Self {
            client_id: row.client_id.parse().map_err(|_| broken("client_id"))?,
            kind: row.kind.parse().map_err(|_| broken("kind"))?,
            grants: grants.map_err(|_| broken("grants"))?,
            scopes: ScopeSet::from_names(&row.scopes).map_err(|_| broken("scopes"))?,
            default_scopes: ScopeSet::from_names(&row.default_scopes).map_err(|_| broken("default_scopes"))?,
            application_type: row.application_type.parse().map_err(|_| broken("application_type"))?,
            lifetimes,
            name: row.name,
            audience: row.audience,
            serves: row.serves,
            redirect_uris: row.redirect_uris,
            post_logout_redirect_uris: row.post_logout_redirect_uris,
            skips_consent: row.skips_consent,
            client_version: row.client_version,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
        })
    }
}

pub(super) async fn find(conn: &mut Conn, client_id: &ClientId) -> Result<Option<Client>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "select client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type, redirect_uris,
                post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl, refresh_token_ttl,
                refresh_retry_window, client_version, created_at, disabled_at
         from myapi.clients
         where client_id = $1 and deleted_at is null",
        client_id.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Client::try_from).transpose()
}

pub(super) async fn list(conn: &mut Conn) -> Result<Vec<Client>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "select client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type, redirect_uris,
                post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl, refresh_token_ttl,
                refresh_retry_window, client_version, created_at, disabled_at
         from myapi.clients
         where deleted_at is null
         order by client_id",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Client::try_from).collect()
}

/// `None` when the id is taken, be it by a deleted client.
pub(super) async fn insert(conn: &mut Conn, new: &NewClient, now: DateTime<Utc>) -> Result<Option<Client>, DbError> {
    let grants: Vec<String> = new.grants.iter().map(|grant| grant.as_str().to_owned()).collect();
    let seconds = |ttl: Option<Duration>| ttl.map(|ttl| i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX));
    let row = sqlx::query_as!(
        Row,
        "insert into myapi.clients
             (client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type, redirect_uris,
              post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl, refresh_token_ttl,
              refresh_retry_window, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         on conflict (client_id) do nothing
         returning client_id, name, kind, grants, scopes, default_scopes, audience, serves, application_type,
                   redirect_uris, post_logout_redirect_uris, skips_consent, access_token_ttl, refresh_token_idle_ttl,
                   refresh_token_ttl, refresh_retry_window, client_version, created_at, disabled_at",
        new.client_id.as_str(),
        new.name,
        new.kind.as_str(),
        &grants,
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
    )
    .fetch_optional(conn)
    .await?;
    row.map(Client::try_from).transpose()
}

pub(super) async fn delete(conn: &mut Conn, client_id: &ClientId, now: DateTime<Utc>) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "update myapi.clients
         set deleted_at = $2, client_version = client_version + 1
         where client_id = $1 and deleted_at is null",
        client_id.as_str(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn list_secret_hashes(
    conn: &mut Conn,
    client_id: &ClientId,
    now: DateTime<Utc>,
) -> Result<Vec<Vec<u8>>, DbError> {
    let hashes = sqlx::query_scalar!(
        "select secret_hash
         from myapi.client_secrets
         where client_id = $1 and (expires_at is null or expires_at > $2)",
        client_id.as_str(),
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(hashes)
}

pub(super) async fn insert_secret(
    conn: &mut Conn,
    secret_id: Uuid,
    client_id: &ClientId,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.client_secrets (secret_id, client_id, secret_hash, created_at) values ($1, $2, $3, $4)",
        secret_id,
        client_id.as_str(),
        hash.as_slice(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn delete_secrets(conn: &mut Conn, client_id: &ClientId) -> Result<(), DbError> {
    sqlx::query!("delete from myapi.client_secrets where client_id = $1", client_id.as_str()).execute(conn).await?;
    Ok(())
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

fn names(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(str::to_owned).collect()
}
