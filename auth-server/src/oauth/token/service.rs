//! From a well-formed request to the grant that answers it.

use std::sync::Arc;

use shared::token::dpop::ProofRefusal;

use super::grants;
use super::request::TokenRequest;
use super::schemas::TokenResponse;
use crate::audit::{self, Event, Kind};
use crate::clients::{Client, GrantType};
use crate::oauth::error::TokenError;
use crate::oauth::target::Targets;
use crate::state::AppState;

/// Authenticates the client, asks whether it may use this grant, and lets the grant's driver answer.
pub(super) async fn exchange(state: &AppState, request: TokenRequest<'_>) -> Result<TokenResponse, TokenError> {
    let grant = grant_type(state, request)?;
    let client = authenticate(state, request, grant).await?;
    if !client.allows(grant) {
        return Err(TokenError::GrantNotAllowed);
    }
    check_proof(request, &client)?;
    // `audience` is what some clients say in place of `resource`.
    let named = [request.parameter("resource"), request.parameter("audience")];
    let targets = Targets::read(state, &client, &named.each_ref().map(Option::as_deref)).await?;
    let asked = request.of(&client, grant);
    // Boxed: one of them runs, and the room for the largest would go with every request.
    let issued = match grant {
        GrantType::Password => Box::pin(grants::password::exchange(state, &client, &targets, asked)).await?,
        GrantType::RefreshToken => Box::pin(grants::refresh_token::exchange(state, &client, &targets, asked)).await?,
        GrantType::AuthorizationCode => {
            Box::pin(grants::authorization_code::exchange(state, &client, &targets, asked)).await?
        }
        GrantType::ClientCredentials => {
            Box::pin(grants::client_credentials::exchange(state, &client, &targets, asked)).await?
        }
        GrantType::DeviceCode => Box::pin(grants::device_code::exchange(state, &client, &targets, asked)).await?,
    };
    // The one line of this request says so, beside its client and its user.
    tracing::Span::current().record("token.grant", grant.as_str());
    audit::note(Event::ok(Kind::TokenIssued).detail(grant.as_str()));
    Ok(issued)
}

/// The old application's clients send a name and a password alone: that is the password grant of the default client.
fn grant_type(state: &AppState, request: TokenRequest<'_>) -> Result<GrantType, TokenError> {
    match request.parameter("grant_type") {
        Some(grant_type) => grant_type.parse().map_err(|_| TokenError::UnknownGrant),
        None if state.config.default_client.is_some() && request.is_old_login()? => Ok(GrantType::Password),
        None => Err(TokenError::Missing("grant_type")),
    }
}

/// A request that names no client is the default client's, for the grants of the application that this one replaces.
async fn authenticate(state: &AppState, asked: TokenRequest<'_>, grant: GrantType) -> Result<Arc<Client>, TokenError> {
    let presented = match asked.presented()? {
        Some(presented) => presented,
        None => default_client(state, grant).ok_or(TokenError::NoClient)?,
    };
    asked.authenticate(state, &presented).await
}

fn default_client(state: &AppState, grant: GrantType) -> Option<crate::clients::Presented> {
    match grant {
        GrantType::Password | GrantType::RefreshToken => {}
        GrantType::ClientCredentials | GrantType::AuthorizationCode | GrantType::DeviceCode => return None,
    }
    let client_id = state.config.default_client.clone()?;
    Some(crate::clients::Presented { client_id, proof: crate::clients::Proof::None })
}

/// "the authorization server MUST reject token requests from the client that do not contain the DPoP header" (RFC 9449
/// section 5.2).
fn check_proof(request: TokenRequest<'_>, client: &Client) -> Result<(), TokenError> {
    if client.dpop_bound_access_tokens && request.proof().is_none() {
        return Err(ProofRefusal::Missing.into());
    }
    Ok(())
}
