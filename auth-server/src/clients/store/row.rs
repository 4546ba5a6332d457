//! A row of `myapi.clients`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::DbError;
use shared::token::scope::ScopeSet;

use super::super::authentication::{AuthMethod, Authentication};
use super::super::lifetimes::Lifetimes;
use super::super::model::{Client, GrantType};

pub(super) struct Row {
    pub(super) client_id: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) grants: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) default_scopes: Vec<String>,
    pub(super) audience: String,
    pub(super) serves: Option<String>,
    pub(super) application_type: String,
    pub(super) redirect_uris: Vec<String>,
    pub(super) post_logout_redirect_uris: Vec<String>,
    pub(super) skips_consent: bool,
    pub(super) access_token_ttl: Option<i32>,
    pub(super) refresh_token_idle_ttl: Option<i32>,
    pub(super) refresh_token_ttl: Option<i32>,
    pub(super) refresh_retry_window: Option<i32>,
    pub(super) client_version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) disabled_at: Option<DateTime<Utc>>,
    pub(super) audiences: Vec<String>,
    pub(super) require_pushed_authorization_requests: bool,
    pub(super) dpop_bound_access_tokens: bool,
    pub(super) token_endpoint_auth_method: Option<String>,
    pub(super) jwks: Option<serde_json::Value>,
    pub(super) jwks_uri: Option<String>,
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
        let kind = row.kind.parse().map_err(|_| broken("kind"))?;
        let method = row.token_endpoint_auth_method.as_deref().map_or(Ok(AuthMethod::of_kind(kind)), str::parse);
        let authentication = Authentication {
            method: method.map_err(|_| broken("token_endpoint_auth_method"))?,
            jwks: row.jwks.map(|jwks| jwks.to_string().parse()).transpose().map_err(|_| broken("jwks"))?,
            jwks_uri: row.jwks_uri.as_deref().map(str::parse).transpose().map_err(|_| broken("jwks_uri"))?,
        };
        Ok(Self {
            client_id: row.client_id.parse().map_err(|_| broken("client_id"))?,
            kind,
            grants: grants.map_err(|_| broken("grants"))?,
            scopes: ScopeSet::from_names(&row.scopes).map_err(|_| broken("scopes"))?,
            default_scopes: ScopeSet::from_names(&row.default_scopes).map_err(|_| broken("default_scopes"))?,
            application_type: row.application_type.parse().map_err(|_| broken("application_type"))?,
            lifetimes,
            authentication,
            audiences: row.audiences,
            require_pushed_authorization_requests: row.require_pushed_authorization_requests,
            dpop_bound_access_tokens: row.dpop_bound_access_tokens,
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
