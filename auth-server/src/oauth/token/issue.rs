//! The only place that mints.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::token::claims::AccessClaims;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use crate::clients::Client;
use crate::oauth::error::TokenError;
use crate::state::AppState;
use crate::users::User;

/// What a grant came to: who allows whom what.
pub(super) struct UserGrant<'a> {
    pub user: &'a User,
    pub client: &'a Client,
    pub scope: ScopeSet,
    /// The login's id.
    pub sid: Uuid,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
}

/// A signed access token and its end.
pub(super) struct Minted {
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

/// Signs an access token (RFC 9068) for a user.
pub(super) fn access_token(state: &AppState, grant: UserGrant<'_>, now: DateTime<Utc>) -> Result<Minted, TokenError> {
    let expires_at = end(state, grant.client, now);
    let claims = AccessClaims {
        iss: state.config.issuer.as_str().to_owned(),
        aud: grant.client.audience.as_str().into(),
        sub: grant.user.sub.to_string(),
        client_id: grant.client.client_id.as_str().to_owned(),
        name: grant.user.name.clone().filter(|_| grant.scope.contains("profile")),
        email: grant.scope.contains("email").then(|| grant.user.email.clone()),
        scope: grant.scope,
        iat: now.timestamp(),
        exp: expires_at.timestamp(),
        // Random, not time-ordered: unguessable, and it tells nothing of other tokens.
        jti: Uuid::new_v4().to_string(),
        sid: Some(grant.sid.to_string()),
        ver: Some(grant.user.token_version),
        cver: Some(grant.client.client_version),
        nbf: None,
        auth_time: Some(grant.auth_time.timestamp()),
    };
    Ok(Minted { token: state.keys.sign(&claims)?, expires_at })
}

/// Signs an access token for a client itself. Its version is the client's, and it has no `sid`: no login is behind it.
pub(super) fn client_token(
    state: &AppState,
    client: &Client,
    scope: ScopeSet,
    now: DateTime<Utc>,
) -> Result<Minted, TokenError> {
    let expires_at = end(state, client, now);
    let claims = AccessClaims {
        iss: state.config.issuer.as_str().to_owned(),
        aud: client.audience.as_str().into(),
        sub: client.subject(),
        client_id: client.client_id.as_str().to_owned(),
        name: None,
        email: None,
        scope,
        iat: now.timestamp(),
        exp: expires_at.timestamp(),
        jti: Uuid::new_v4().to_string(),
        sid: None,
        ver: Some(client.client_version),
        cver: Some(client.client_version),
        nbf: None,
        auth_time: None,
    };
    Ok(Minted { token: state.keys.sign(&claims)?, expires_at })
}

/// Life of a client's access tokens.
pub(super) fn access_ttl(state: &AppState, client: &Client) -> Duration {
    client.lifetimes.access_token.unwrap_or(state.config.access_token_ttl)
}

fn end(state: &AppState, client: &Client, now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::from_std(access_ttl(state, client)).unwrap_or(TimeDelta::minutes(10))
}
