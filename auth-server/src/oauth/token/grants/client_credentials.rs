//! A client asks for itself (RFC 6749 section 4.4). Confidential clients alone; no refresh token, no row is written.
//!
//! The machine is oxide-auth's. The token's `sub` is [`crate::clients::Client::subject`], which no user can have.

use std::borrow::Cow;

use oxide_auth::code_grant::client_credentials::{ClientCredentials, Error as Refusal, Input, Output};
use oxide_auth::code_grant::error::AccessTokenErrorType;
use oxide_auth::primitives::grant::Extensions;
use oxide_auth::primitives::registrar::{BoundClient, PreGrant, RegisteredUrl};
use oxide_auth::primitives::scope::Scope;
use shared::token::scope::ScopeSet;

use super::super::issue;
use super::super::request::ClientRequest;
use super::super::schemas::TokenResponse;
use crate::clients::{Client, ClientKind};
use crate::oauth::error::TokenError;
use crate::oauth::scope::without_users;
use crate::oauth::target::Targets;
use crate::state::AppState;

/// Drives the machine from the request to the answer.
pub(in crate::oauth::token) async fn exchange(
    state: &AppState,
    client: &Client,
    targets: &Targets<'_>,
    request: ClientRequest<'_>,
) -> Result<TokenResponse, TokenError> {
    // "The client credentials grant type MUST only be used by confidential clients."
    if client.kind == ClientKind::Public {
        return Err(TokenError::GrantNotAllowed);
    }
    let now = state.clock.now();
    let mut machine = ClientCredentials::new(&request);
    let mut asked = machine.advance(Input::None);
    loop {
        let answer = match asked {
            // The client was authenticated before its grant was looked at; the machine asks whether it was this one.
            Output::Authenticate { client: id, .. } if id == client.client_id.as_str() => Input::Authenticated,
            Output::Binding { .. } => Input::Bound { bound_client: bind(state, client) },
            Output::Extend => Input::Extended { extensions: Extensions::new() },
            Output::Negotiate { scope, .. } => Input::Negotiated { pre_grant: negotiate(state, client, scope)? },
            Output::Ok { pre_grant, .. } => {
                let scope = ScopeSet::from_names(pre_grant.scope.iter()).map_err(|_| TokenError::Scope)?;
                let granted = targets.token(&client.audience, &scope)?;
                let carried = granted.scope.clone();
                if carried.is_empty() && !scope.is_empty() {
                    return Err(TokenError::NothingGranted);
                }
                let binding = request.bind(state).await?;
                let minted = issue::client_token(state, client, granted, &binding, now)?;
                return Ok(TokenResponse::new(minted, carried, None, now));
            }
            Output::Err(refusal) => return Err(refused(*refusal)),
            Output::Authenticate { .. } => {
                return Err(TokenError::Machine("another client than the authenticated one"));
            }
        };
        asked = machine.advance(answer);
    }
}

/// No redirect takes place in this grant; the machine's types want an address, so it is our own.
fn bind(state: &AppState, client: &Client) -> BoundClient<'static> {
    BoundClient {
        client_id: Cow::Owned(client.client_id.as_str().to_owned()),
        redirect_uri: Cow::Owned(RegisteredUrl::Semantic(state.config.issuer.url().clone())),
    }
}

/// Scopes that speak of a user mean nothing without one: they are left out of the default, and refused when asked for.
fn negotiate(state: &AppState, client: &Client, asked: Option<Scope>) -> Result<PreGrant, TokenError> {
    let scope = match asked {
        Some(asked) => ScopeSet::from_names(asked.iter()).map_err(|_| TokenError::Scope)?,
        None => without_users(&client.default_scopes),
    };
    if !scope.is_subset(&client.scopes) || scope != without_users(&scope) {
        return Err(TokenError::WiderScope("what the client may have for itself"));
    }
    Ok(PreGrant {
        client_id: client.client_id.as_str().to_owned(),
        redirect_uri: RegisteredUrl::Semantic(state.config.issuer.url().clone()),
        scope: scope.to_string().parse().map_err(|_| TokenError::Scope)?,
    })
}

fn refused(mut refusal: Refusal) -> TokenError {
    match refusal.description().map(|description| description.kind()) {
        Some(AccessTokenErrorType::UnsupportedGrantType) => TokenError::UnknownGrant,
        // Client and grant type stand; what is left to be wrong is the scope's grammar.
        Some(AccessTokenErrorType::InvalidRequest) => TokenError::Scope,
        _ => TokenError::Machine("an answer did not fit the question"),
    }
}
