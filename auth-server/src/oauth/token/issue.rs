//! The only place that mints.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256, Sha512};
use shared::token::claims::AccessClaims;
use shared::token::keys::Algorithm;
use uuid::Uuid;

use crate::clients::Client;
use crate::oauth::dpop::Binding;
use crate::oauth::error::TokenError;
use crate::oauth::target::Granted;
use crate::state::AppState;
use crate::users::User;

/// What a grant came to: who allows whom what.
pub(super) struct UserGrant<'a> {
    pub user: &'a User,
    pub client: &'a Client,
    /// What the token is for, and what it carries.
    pub granted: Granted,
    /// The login's id.
    pub sid: Uuid,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// The key that the token is bound to.
    pub binding: &'a Binding,
}

/// A signed access token and its end.
pub(super) struct Minted {
    pub token: String,
    pub token_type: &'static str,
    pub expires_at: DateTime<Utc>,
}

/// Signs an access token (RFC 9068) for a user.
pub(super) fn access_token(state: &AppState, grant: UserGrant<'_>, now: DateTime<Utc>) -> Result<Minted, TokenError> {
    let expires_at = end(state, grant.client, now);
    let claims = AccessClaims {
        iss: state.config.issuer.as_str().to_owned(),
        aud: grant.granted.audience.into(),
        sub: grant.user.sub.to_string(),
        client_id: grant.client.client_id.as_str().to_owned(),
        name: grant.user.name.clone().filter(|_| grant.granted.scope.contains("profile")),
        email: grant.granted.scope.contains("email").then(|| grant.user.email.clone()),
        scope: grant.granted.scope,
        iat: now.timestamp(),
        exp: expires_at.timestamp(),
        // Random, not time-ordered: unguessable, and it tells nothing of other tokens.
        jti: Uuid::new_v4().to_string(),
        sid: Some(grant.sid.to_string()),
        ver: Some(grant.user.token_version),
        cver: Some(grant.client.client_version),
        nbf: None,
        auth_time: Some(grant.auth_time.timestamp()),
        cnf: grant.binding.confirmation(),
    };
    Ok(Minted { token: state.keys.sign(&claims)?, token_type: grant.binding.token_type(), expires_at })
}

/// Signs an access token for a client itself. Its version is the client's, and it has no `sid`: no login is behind it.
pub(super) fn client_token(
    state: &AppState,
    client: &Client,
    granted: Granted,
    binding: &Binding,
    now: DateTime<Utc>,
) -> Result<Minted, TokenError> {
    let expires_at = end(state, client, now);
    let claims = AccessClaims {
        iss: state.config.issuer.as_str().to_owned(),
        aud: granted.audience.into(),
        sub: client.subject(),
        client_id: client.client_id.as_str().to_owned(),
        name: None,
        email: None,
        scope: granted.scope,
        iat: now.timestamp(),
        exp: expires_at.timestamp(),
        jti: Uuid::new_v4().to_string(),
        sid: None,
        ver: Some(client.client_version),
        cver: Some(client.client_version),
        nbf: None,
        auth_time: None,
        cnf: binding.confirmation(),
    };
    Ok(Minted { token: state.keys.sign(&claims)?, token_type: binding.token_type(), expires_at })
}

/// Life of a client's access tokens.
pub(super) fn access_ttl(state: &AppState, client: &Client) -> Duration {
    client.lifetimes.access_token.unwrap_or(state.config.access_token_ttl)
}

fn end(state: &AppState, client: &Client, now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::from_std(access_ttl(state, client)).unwrap_or(TimeDelta::minutes(10))
}

/// What an `id_token` says (OpenID Connect core section 2).
pub(super) struct IdToken<'a> {
    pub user: &'a User,
    pub client: &'a Client,
    /// The login's id, as in the access token.
    pub sid: Uuid,
    pub auth_time: DateTime<Utc>,
    /// As the client sent it.
    pub nonce: Option<&'a str>,
    /// The access token that comes with it.
    pub access_token: &'a str,
    /// It ends with the access token.
    pub expires_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    sid: String,
}

/// Signs an `id_token`. Its audience is the client; name and address are at `/userinfo`, where they are current.
pub(super) fn id_token(state: &AppState, grant: &IdToken<'_>, now: DateTime<Utc>) -> Result<String, TokenError> {
    let token = state.keys.sign_id_token(|algorithm| IdClaims {
        iss: state.config.issuer.as_str(),
        sub: grant.user.sub.to_string(),
        aud: grant.client.client_id.as_str(),
        iat: now.timestamp(),
        exp: grant.expires_at.timestamp(),
        auth_time: grant.auth_time.timestamp(),
        nonce: grant.nonce,
        at_hash: at_hash(algorithm, grant.access_token),
        sid: grant.sid.to_string(),
    })?;
    Ok(token)
}

/// The left half of the hash of the access token, by the hash of the signature's algorithm (OpenID Connect core section
/// 3.1.3.6); Ed25519 hashes with SHA-512.
fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    let half = |hash: &[u8]| URL_SAFE_NO_PAD.encode(hash.split_at(hash.len() / 2).0);
    match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 => half(&Sha256::digest(access_token)),
        Algorithm::EdDsa => half(&Sha512::digest(access_token)),
    }
}
