//! A device code becomes tokens, once a person has allowed it (RFC 8628 sections 3.4 and 3.5).
//!
//! The machine is ours, by oxide-auth's contract. It asks for what stands behind the code, judges it, and asks for the
//! token; what it asks is answered by [`crate::devices`], whose steps say how a poll is noted and a code is spent.

use chrono::{DateTime, Utc};
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::issuer::{IssuedToken, TokenType};

use super::super::issue::{self, IdToken, UserGrant};
use super::super::machine::device_code::{DeviceCodeGrant, Input, Output, Refusal, Standing};
use super::super::request::ClientRequest;
use super::super::schemas::TokenResponse;
use crate::clients::Client;
use crate::devices::{Approval, Decision, DeviceCode, DeviceError, Polled, Redemption};
use crate::oauth::error::TokenError;
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
    let mut approved: Option<Approved> = None;
    let mut issued: Option<TokenResponse> = None;
    let mut machine = DeviceCodeGrant::new(&request);
    let mut asked = machine.advance(Input::None);
    loop {
        let answer = match asked {
            // The client was authenticated before its grant was looked at; the machine asks whether it was this one.
            Output::Authenticate { client: id } if id == client.client_id.as_str() => Input::Authenticated,
            Output::Recover { device_code } => {
                let (code, polled) = state.devices.poll(device_code, &client.client_id, now).await?;
                let standing = standing(state, client, &polled, now)?;
                if let Decision::Approved(approval) = polled.decision {
                    approved = Some(Approved { code, approval, audience: polled.audience });
                }
                // The row was found by the client that asks.
                Input::Recovered { client_id: client.client_id.as_str().to_owned(), standing }
            }
            Output::Extend => Input::Extended { extensions: Extensions::new() },
            Output::Issue { .. } => {
                let approved = approved.take().ok_or(TokenError::Machine("no device code was recovered"))?;
                let response = issued.insert(redeem(state, (client, targets), approved, request).await?);
                Input::Issued(IssuedToken {
                    token: response.access_token.clone(),
                    refresh: response.refresh_token.clone(),
                    until: now,
                    token_type: TokenType::Bearer,
                })
            }
            Output::Ok { .. } => return issued.ok_or(TokenError::Machine("no token was issued")),
            Output::Err(refusal) => return Err(refused(refusal)),
            Output::Authenticate { .. } => {
                return Err(TokenError::Machine("another client than the authenticated one"));
            }
        };
        asked = machine.advance(answer);
    }
}

fn standing(state: &AppState, client: &Client, polled: &Polled, now: DateTime<Utc>) -> Result<Standing, TokenError> {
    if polled.consumed_at.is_some() {
        return Ok(Standing::Spent);
    }
    if polled.expires_at <= now {
        return Ok(Standing::Expired);
    }
    match &polled.decision {
        Decision::None => Ok(Standing::Pending { is_early: polled.is_early }),
        Decision::Denied => Ok(Standing::Denied),
        Decision::Approved(approval) => Ok(Standing::Approved(Box::new(Grant {
            owner_id: approval.sub.to_string(),
            client_id: client.client_id.as_str().to_owned(),
            scope: approval.scope.to_string().parse().map_err(|_| TokenError::Scope)?,
            // No redirect takes place in this grant; the type wants an address, so it is our own.
            redirect_uri: state.config.issuer.url().clone(),
            until: polled.expires_at,
            extensions: Extensions::new(),
        }))),
    }
}

/// A code that somebody has allowed.
struct Approved {
    code: DeviceCode,
    approval: Approval,
    audience: String,
}

async fn redeem(
    state: &AppState,
    (client, targets): (&Client, &Targets<'_>),
    Approved { code, approval, audience }: Approved,
    request: ClientRequest<'_>,
) -> Result<TokenResponse, TokenError> {
    let now = state.clock.now();
    // What the client may not have any more is left out. Before anything is consumed: who named the wrong resource
    // server may come again.
    let scope = approval.scope.intersection(&client.scopes);
    let granted = targets.token(&audience, &scope)?;
    if granted.scope.is_empty() && !approval.scope.is_empty() {
        return Err(TokenError::NothingGranted);
    }
    let approval = Approval { scope, ..approval };
    let binding = &request.bind(state).await?;
    let redemption = Redemption {
        code: &code,
        approval: &approval,
        audience: &audience,
        client,
        access_ttl: issue::access_ttl(state, client),
        key: binding.key(),
    };
    let given = state.devices.redeem(&redemption, now).await?;
    tracing::Span::current().record("user.id", tracing::field::display(given.user.sub));
    let Approval { scope: held, auth_time, .. } = approval;
    let scope = granted.scope.clone();
    let grant = UserGrant { user: &given.user, client, granted, sid: given.sid, auth_time, binding };
    let minted = issue::access_token(state, grant, now)?;
    let id_token = if held.contains(OPENID) {
        let claims = IdToken {
            user: &given.user,
            client,
            sid: given.sid,
            auth_time,
            nonce: None,
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

fn refused(refusal: Refusal) -> TokenError {
    match refusal {
        Refusal::Missing(parameter) => TokenError::Missing(parameter),
        Refusal::GrantType => TokenError::UnknownGrant,
        Refusal::Request => TokenError::Form(crate::web::form::FormError::Unreadable),
        Refusal::OtherClient => TokenError::Device(DeviceError::Unknown),
        Refusal::Spent => TokenError::Device(DeviceError::Spent),
        Refusal::Expired => TokenError::Device(DeviceError::Expired),
        Refusal::Denied => TokenError::Device(DeviceError::Denied),
        Refusal::SlowDown => TokenError::Device(DeviceError::SlowDown),
        Refusal::Pending => TokenError::Device(DeviceError::Pending),
        Refusal::OutOfOrder => TokenError::Machine("an answer did not fit the question"),
    }
}
