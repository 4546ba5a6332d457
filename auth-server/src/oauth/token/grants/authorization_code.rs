//! An authorization code becomes tokens, once (RFC 6749 section 4.1.3, RFC 7636 section 4.6, OpenID Connect core section
//! 3.1.3).
//!
//! The machine is oxide-auth's. It asks for the grant behind the code, judges client and `redirect_uri`, hands over the
//! PKCE challenge, and asks for the token. What it asks is answered by [`crate::codes`], whose steps say what a replay
//! does; what it is lax about is judged there too (it compares addresses after repairing them, and by the system's time).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use oxide_auth::code_grant::accesstoken::{AccessToken, Error as Refusal, Input, Output};
use oxide_auth::code_grant::error::AccessTokenErrorType;
use oxide_auth::code_grant::extensions::Pkce;
use oxide_auth::primitives::grant::{Extensions, Grant, Value};
use oxide_auth::primitives::issuer::{IssuedToken, TokenType};
use url::Url;

use super::super::issue::{self, IdToken, UserGrant};
use super::super::request::ClientRequest;
use super::super::schemas::TokenResponse;
use crate::clients::Client;
use crate::codes::{NewCode, RedeemError, Redemption, Terms};
use crate::oauth::error::TokenError;
use crate::oauth::pkce;
use crate::oauth::scope::OPENID;
use crate::oauth::target::Targets;
use crate::state::AppState;

/// Drives the machine from the request to the answer.
pub(in crate::oauth::token) async fn exchange(
    state: &AppState,
    client: &Client,
    targets: &Targets<'_>,
    request: ClientRequest<'_>,
) -> Result<TokenResponse, TokenError> {
    let now = state.clock.now();
    request.required("code")?;
    let redirect_uri = request.required("redirect_uri")?;
    let verifier = request.required("code_verifier")?;
    let mut opened: Option<Redemption> = None;
    let mut issued: Option<TokenResponse> = None;
    let mut machine = AccessToken::new(&request);
    let mut asked = machine.advance(Input::None);
    loop {
        let answer = match asked {
            // The client was authenticated before its grant was looked at; the machine asks whether it was this one.
            Output::Authenticate { client: id, .. } if id == client.client_id.as_str() => Input::Authenticated,
            Output::Recover { code } => {
                let found = opened.insert(state.codes.open(code, client, &redirect_uri).await?);
                Input::Recovered(Some(Box::new(grant_of(found.given_for())?)))
            }
            Output::Extend { extensions } => {
                let redemption = opened.as_ref().ok_or(TokenError::Machine("no code was recovered"))?;
                let challenge = extensions.remove(&Pkce::required());
                check_verifier(state, redemption, challenge, &verifier).await?;
                Input::Extended { access_extensions: Extensions::new() }
            }
            Output::Issue { .. } => {
                let redemption = opened.take().ok_or(TokenError::Machine("no code was recovered"))?;
                let response = issued.insert(redeem(state, client, targets, redemption, request).await?);
                Input::Issued(IssuedToken {
                    token: response.access_token.clone(),
                    refresh: response.refresh_token.clone(),
                    until: now,
                    token_type: TokenType::Bearer,
                })
            }
            Output::Ok(_) => return issued.ok_or(TokenError::Machine("no token was issued")),
            Output::Err(refusal) => return Err(refused(*refusal)),
            Output::Authenticate { .. } => {
                return Err(TokenError::Machine("another client than the authenticated one"));
            }
        };
        asked = machine.advance(answer);
    }
}

/// What the machine judges by. Its own idea of time is the system's, so the end that it sees is one that never comes;
/// the code's is judged by ours.
fn grant_of(code: &NewCode) -> Result<Grant, TokenError> {
    let broken = |_| TokenError::Machine("a code whose redirect_uri is no URL");
    let mut extensions = Extensions::new();
    let pkce = Pkce::required();
    let challenge = pkce.challenge(Some(Cow::Borrowed("S256")), Some(Cow::Borrowed(&code.code_challenge)));
    let challenge = challenge.ok().flatten().ok_or(TokenError::Machine("a code without a challenge"))?;
    extensions.set(&pkce, challenge);
    Ok(Grant {
        owner_id: code.sub.to_string(),
        client_id: code.client_id.as_str().to_owned(),
        scope: code.scope.to_string().parse().map_err(|_| TokenError::Machine("a code without scope"))?,
        redirect_uri: Url::parse(&code.redirect_uri).map_err(broken)?,
        until: DateTime::<Utc>::MAX_UTC,
        extensions,
    })
}

async fn check_verifier(
    state: &AppState,
    redemption: &Redemption,
    challenge: Option<Value>,
    verifier: &str,
) -> Result<(), TokenError> {
    if !pkce::is_verifier(verifier) {
        return Err(TokenError::Code(RedeemError::VerifierMalformed));
    }
    // Without a challenge it fails, too: nothing was ever given out without one.
    if Pkce::required().verify(challenge, Some(Cow::Borrowed(verifier))).is_ok() {
        return Ok(());
    }
    state.codes.count_failure(redemption).await?;
    Err(TokenError::Code(RedeemError::VerifierWrong))
}

async fn redeem(
    state: &AppState,
    client: &Client,
    targets: &Targets<'_>,
    redemption: Redemption,
    request: ClientRequest<'_>,
) -> Result<TokenResponse, TokenError> {
    let now = state.clock.now();
    // "the authorization server MUST reject": RFC 9449 section 10.
    if redemption.given_for().dpop_jkt.as_ref().is_some_and(|bound| request.key() != Some(bound)) {
        return Err(TokenError::Code(RedeemError::OtherKey));
    }
    // Before anything is consumed: who named the wrong one may come again.
    let allowed = redemption.given_for();
    let granted = targets.token(allowed.audience.as_deref().unwrap_or(&client.audience), &allowed.scope)?;
    if granted.scope.is_empty() && !allowed.scope.is_empty() {
        return Err(TokenError::NothingGranted);
    }
    let binding = &request.bind(state).await?;
    let terms = Terms { access_ttl: issue::access_ttl(state, client), key: binding.key() };
    let given = state.codes.redeem(redemption, client, terms, now).await?;
    let code = &given.given_for;
    tracing::Span::current().record("user.id", tracing::field::display(given.user.sub));
    let scope = granted.scope.clone();
    let grant = UserGrant { user: &given.user, client, granted, sid: given.sid, auth_time: code.auth_time, binding };
    let minted = issue::access_token(state, grant, now)?;
    let id_token = if code.scope.contains(OPENID) {
        let claims = IdToken {
            user: &given.user,
            client,
            sid: given.sid,
            auth_time: code.auth_time,
            nonce: code.nonce.as_deref(),
            access_token: &minted.token,
            expires_at: minted.expires_at,
        };
        Some(issue::id_token(state, &claims, now)?)
    } else {
        None
    };
    let refresh_token = given.refresh_token.as_ref().map(|token| token.text());
    Ok(TokenResponse { id_token, ..TokenResponse::new(minted, scope, refresh_token, now) })
}

fn refused(mut refusal: Refusal) -> TokenError {
    match refusal.description().map(|description| description.kind()) {
        // Nothing is missing: what is left to be malformed is the address, which is none that a code was carried to.
        Some(AccessTokenErrorType::InvalidRequest | AccessTokenErrorType::InvalidGrant) => {
            TokenError::Code(RedeemError::RedirectUri)
        }
        Some(AccessTokenErrorType::UnsupportedGrantType) => TokenError::UnknownGrant,
        _ => TokenError::Machine("an answer did not fit the question"),
    }
}
