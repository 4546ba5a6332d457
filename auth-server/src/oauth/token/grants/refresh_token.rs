//! A refresh token becomes an access token and its one successor (RFC 6749 section 6).
//!
//! The machine is oxide-auth's. It asks for the grant behind the token, judges client and scope, and asks for the new
//! token: between the two questions the family is locked and nothing is written (see [`crate::tokens`]). A narrower
//! scope is this access token's alone, and so is a resource server that the request names (RFC 8707); the next refresh
//! has all of it again. What the client or the user may not have
//! any more is left out.
//! The refresh token of a public client that was given out to a proof needs one of the same key (RFC 9449 section 5).

use chrono::{DateTime, Utc};
use oxide_auth::code_grant::error::AccessTokenErrorType;
use oxide_auth::code_grant::refresh::{Error as Refusal, Input, Output, Refresh};
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::issuer::{RefreshedToken, TokenType};
use shared::token::scope::ScopeSet;

use super::super::issue::{self, UserGrant};
use super::super::request::ClientRequest;
use super::super::schemas::TokenResponse;
use crate::clients::Client;
use crate::oauth::error::TokenError;
use crate::oauth::scope;
use crate::oauth::target::Targets;
use crate::state::AppState;
use crate::tokens::Opened;

/// Drives the machine from the request to the answer.
pub(in crate::oauth::token) async fn exchange(
    state: &AppState,
    client: &Client,
    targets: &Targets<'_>,
    request: ClientRequest<'_>,
) -> Result<TokenResponse, TokenError> {
    let now = state.clock.now();
    let mut opened: Option<Opened> = None;
    let mut issued: Option<TokenResponse> = None;
    let mut machine = Refresh::new(&request);
    let mut asked = machine.advance(Input::None);
    loop {
        let answer = match asked {
            // The client was authenticated before its grant was looked at; the machine asks whether it was this one.
            Output::Unauthenticated { client: id, .. } if id == client.client_id.as_str() => {
                Input::Authenticated { scope: request.scope() }
            }
            Output::RecoverRefresh { token } => {
                let found = opened.insert(state.tokens.open(token, client, now).await?);
                Input::Recovered { scope: request.scope(), grant: Some(Box::new(grant_of(state, found)?)) }
            }
            Output::Refresh { grant, .. } => {
                let opened = opened.take().ok_or(TokenError::Machine("no refresh token was recovered"))?;
                let (response, refreshed) = rotate(state, (client, targets), opened, &grant, request).await?;
                issued = Some(response);
                Input::Refreshed(refreshed)
            }
            Output::Ok(_) => return issued.ok_or(TokenError::Machine("no token was issued")),
            Output::Err(refusal) => return Err(refused(refusal, request)),
            Output::Unauthenticated { .. } => {
                return Err(TokenError::Machine("another client than the authenticated one"));
            }
        };
        asked = machine.advance(answer);
    }
}

/// What the machine judges by. Its own idea of time is the system's, so the end that it sees is one that never comes;
/// the family's and the token's are judged by ours.
fn grant_of(state: &AppState, opened: &Opened) -> Result<Grant, TokenError> {
    let family = opened.family();
    Ok(Grant {
        owner_id: family.sub.to_string(),
        client_id: family.client_id.as_str().to_owned(),
        scope: family.scope.to_string().parse().map_err(|_| TokenError::Machine("a family without scope"))?,
        redirect_uri: state.config.issuer.url().clone(),
        until: DateTime::<Utc>::MAX_UTC,
        extensions: Extensions::new(),
    })
}

async fn rotate(
    state: &AppState,
    (client, targets): (&Client, &Targets<'_>),
    mut opened: Opened,
    grant: &Grant,
    request: ClientRequest<'_>,
) -> Result<(TokenResponse, RefreshedToken), TokenError> {
    let now = state.clock.now();
    let asked = ScopeSet::from_names(grant.scope.iter()).map_err(|_| TokenError::Scope)?;
    let scope = scope::of_user(state, opened.user(), &asked.intersection(&client.scopes));
    let granted = targets.token(&opened.family().audience, &scope)?;
    let carried = granted.scope.clone();
    if carried.is_empty() && !asked.is_empty() {
        return Err(TokenError::NothingGranted);
    }
    // In the transaction that rotates: who has to come again comes with a proof that nobody took.
    let binding = &request.bind_in(opened.conn()).await?;
    let rotated = state.tokens.rotate(opened, client, issue::access_ttl(state, client), binding.key()).await?;
    let family = &rotated.family;
    let user_grant =
        UserGrant { user: &rotated.user, client, granted, sid: family.family_id, auth_time: family.auth_time, binding };
    let minted = issue::access_token(state, user_grant, now)?;
    let refreshed =
        RefreshedToken { token: String::new(), refresh: None, until: minted.expires_at, token_type: TokenType::Bearer };
    let refresh_token = Some(rotated.refresh_token.text());
    Ok((TokenResponse::new(minted, carried, refresh_token, now), refreshed))
}

fn refused(mut refusal: Refusal, request: ClientRequest<'_>) -> TokenError {
    let is_scope = |scope: &str| scope.parse::<ScopeSet>().is_ok();
    match refusal.description().map(|description| description.kind()) {
        Some(AccessTokenErrorType::InvalidScope) if request.scope().is_some_and(|scope| is_scope(&scope)) => {
            TokenError::WiderScope("what the login was granted")
        }
        Some(AccessTokenErrorType::InvalidScope) => TokenError::Scope,
        // The grant type stands; what is left to be missing is the token.
        Some(AccessTokenErrorType::InvalidRequest) => TokenError::Missing("refresh_token"),
        Some(AccessTokenErrorType::UnsupportedGrantType) => TokenError::UnknownGrant,
        _ => TokenError::Machine("an answer did not fit the question"),
    }
}
