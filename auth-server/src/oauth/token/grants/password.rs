//! Resource owner password credentials (RFC 6749 section 4.3), for first-party clients of the application that this
//! server replaces; a client has it only when it is registered with it (RFC 9700 section 2.4).
//!
//! Scope that is granted = asked for ∩ the client's ∩ the user's. Asking for more than the client may have is refused;
//! what the user lacks is left out, and the answer says what is left.

use chrono::{DateTime, Utc};
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::issuer::{IssuedToken, TokenType};
use oxide_auth::primitives::registrar::{BoundClient, PreGrant, RegisteredUrl};
use oxide_auth::primitives::scope::Scope;
use shared::token::scope::ScopeSet;
use std::borrow::Cow;
use uuid::Uuid;

use super::super::issue::{self, UserGrant};
use super::super::machine::password::{Input, Output, PasswordGrant, Refusal};
use super::super::request::ClientRequest;
use super::super::schemas::TokenResponse;
use crate::clients::{Client, GrantType};
use crate::logins::Attempt;
use crate::oauth::error::TokenError;
use crate::oauth::scope;
use crate::oauth::target::Targets;
use crate::passwords::Plain;
use crate::state::AppState;
use crate::tokens::NewFamily;
use crate::users::User;

/// Drives the machine from the request to the answer.
pub(in crate::oauth::token) async fn exchange(
    state: &AppState,
    client: &Client,
    targets: &Targets<'_>,
    request: ClientRequest<'_>,
) -> Result<TokenResponse, TokenError> {
    let mut owner = None;
    let mut given = None;
    let mut machine = PasswordGrant::new(&request);
    let mut asked = machine.advance(Input::None);
    loop {
        let answer = match asked {
            // The client was authenticated before its grant was looked at; the machine asks whether it was this one.
            Output::Authenticate { client: id } if id == client.client_id.as_str() => Input::Authenticated,
            Output::Bind { .. } => Input::Bound { bound_client: bind(state, client) },
            Output::Verify { username, password } => {
                let password = Plain::new(password.to_owned())?;
                let client = &client.client_id;
                let attempt = Attempt { username, password: &password, client, origin: request.origin() };
                let user = state.logins.authenticate(&attempt).await?;
                let owner_id = owner.insert(user).sub.to_string();
                Input::Verified { owner_id }
            }
            Output::Extend => Input::Extended { extensions: Extensions::new() },
            Output::Negotiate { scope, .. } => {
                Input::Negotiated { pre_grant: negotiate(state, client, &owner, scope)? }
            }
            Output::Issue { grant } => {
                let (issued, response) = issue(state, (client, targets), &owner, grant, request).await?;
                given = Some(response);
                Input::Issued(issued)
            }
            Output::Ok { .. } => return given.ok_or(TokenError::Machine("no token was issued")),
            Output::Err(refusal) => return Err(refused(refusal)),
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

fn negotiate(
    state: &AppState,
    client: &Client,
    owner: &Option<User>,
    asked: Option<Scope>,
) -> Result<PreGrant, TokenError> {
    let owner = owner.as_ref().ok_or(TokenError::Machine("no user was verified"))?;
    let asked = match asked {
        Some(asked) => ScopeSet::from_names(asked.iter()).map_err(|_| TokenError::Scope)?,
        None => client.default_scopes.clone(),
    };
    if !asked.is_subset(&client.scopes) {
        return Err(TokenError::WiderScope("what the client may have"));
    }
    let granted = scope::of_user(state, owner, &asked);
    if granted.is_empty() && !asked.is_empty() {
        return Err(TokenError::NothingGranted);
    }
    Ok(PreGrant {
        client_id: client.client_id.as_str().to_owned(),
        redirect_uri: RegisteredUrl::Semantic(state.config.issuer.url().clone()),
        scope: granted.to_string().parse().map_err(|_| TokenError::Scope)?,
    })
}

/// Starts a family where the client may refresh, and signs.
async fn issue(
    state: &AppState,
    (client, targets): (&Client, &Targets<'_>),
    owner: &Option<User>,
    grant: &Grant,
    request: ClientRequest<'_>,
) -> Result<(IssuedToken, TokenResponse), TokenError> {
    let now = state.clock.now();
    let user = owner.as_ref().filter(|user| user.sub.to_string() == grant.owner_id);
    let user = user.ok_or(TokenError::Machine("another user than the verified one"))?;
    let scope = ScopeSet::from_names(grant.scope.iter()).map_err(|_| TokenError::Scope)?;
    let held = targets.begin(&scope);
    let granted = targets.token(&held.audience, &held.scope)?;
    let carried = granted.scope.clone();
    if carried.is_empty() && !scope.is_empty() {
        return Err(TokenError::NothingGranted);
    }
    let binding = &request.bind(state).await?;
    let (access_ttl, key) = (issue::access_ttl(state, client), binding.key());
    let (scope, audience) = (&held.scope, held.audience.as_str());
    let family = NewFamily { user, client, scope, audience, session_id: None, auth_time: now, access_ttl, key };
    let (sid, refresh) = start_family(state, &family, now).await?;
    let minted = issue::access_token(state, UserGrant { user, client, granted, sid, auth_time: now, binding }, now)?;
    let (token, until) = (minted.token.clone(), minted.expires_at);
    let issued = IssuedToken { token, refresh: refresh.clone(), until, token_type: TokenType::Bearer };
    Ok((issued, TokenResponse::new(minted, carried, refresh, now)))
}

async fn start_family(
    state: &AppState,
    family: &NewFamily<'_>,
    now: DateTime<Utc>,
) -> Result<(Uuid, Option<String>), TokenError> {
    if !family.client.allows(GrantType::RefreshToken) {
        return Ok((Uuid::new_v4(), None));
    }
    let started = state.tokens.start(family, now).await?;
    Ok((started.family_id, Some(started.refresh_token.text())))
}

fn refused(refusal: Refusal) -> TokenError {
    match refusal {
        Refusal::Missing(parameter) => TokenError::Missing(parameter),
        Refusal::Scope => TokenError::Scope,
        Refusal::GrantType => TokenError::UnknownGrant,
        Refusal::Request => TokenError::Form(crate::web::form::FormError::Unreadable),
        Refusal::OutOfOrder => TokenError::Machine("an answer did not fit the question"),
    }
}
