//! From a proven request to a code: who is signed in, did they allow it, and which page comes next.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::machine::Asked;
use super::redirect::with_parameters;
use super::refused::{PageReason, Reason, Refused};
use crate::audit::{self, Event, Kind, Outcome};
use crate::codes::NewCode;
use crate::oauth::scope;
use crate::pushed_requests::RequestUri;
use crate::sessions::Signed;
use crate::state::AppState;

/// A request on its way through the pages; the browser carries it, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// The request's parameters, as they came.
    pub parameters: Vec<(String, String)>,
    /// The session in which a person has just signed in for this request: `prompt=login` and `max_age` are met by it.
    pub login: Option<Uuid>,
    /// The `request_uri` by which it came, where it was pushed: it is answered once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
}

/// What a person said on the consent page.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Nothing yet.
    None,
    /// Yes, to this.
    Allowed(ScopeSet),
    /// No.
    Denied,
}

/// What comes next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The login page.
    Login,
    /// The consent page, about this.
    Consent(ScopeSet),
    /// Back to the client, with a code.
    Go(String),
}

/// Decides what comes next, and gives out the code when everything is there. An answer to the client, a refusal
/// included, consumes a pushed request.
pub(crate) async fn proceed(
    state: &AppState,
    asked: &Asked,
    flow: &Flow,
    signed: Option<&Signed>,
    answer: Answer,
) -> Result<Step, Refused> {
    let now = state.clock.now();
    let step = decide(state, asked, (flow, signed), answer, now).await;
    if matches!(step, Err(Refused::Back(..))) {
        consume(state, flow, now).await?;
    }
    step
}

async fn decide(
    state: &AppState,
    asked: &Asked,
    (flow, signed): (&Flow, Option<&Signed>),
    answer: Answer,
    now: DateTime<Utc>,
) -> Result<Step, Refused> {
    let Some(signed) = signed.filter(|signed| is_login_enough(asked, flow, signed, now)) else {
        return if asked.prompt.none { Err(asked.refuse(Reason::LoginRequired)) } else { Ok(Step::Login) };
    };
    tracing::Span::current().record("user.id", tracing::field::display(signed.user.sub));
    if asked.sub_hint.is_some_and(|sub| sub != signed.user.sub) {
        // Somebody else signed in although the client had said who should.
        let is_answered = flow.login == Some(signed.session.session_id) || asked.prompt.none;
        return if is_answered { Err(asked.refuse(Reason::LoginRequired)) } else { Ok(Step::Login) };
    }
    let scope = scope::of_user(state, &signed.user, &asked.scope);
    if scope.is_empty() && !asked.scope.is_empty() {
        return Err(asked.refuse(Reason::NothingGranted));
    }
    match answer {
        Answer::Denied => {
            let denied = Event::not_ok(Kind::Consent, Outcome::Refused, "the person said no");
            audit::note(denied.subject(signed.user.sub).client(&asked.client.client_id).detail(&scope));
            return Err(asked.refuse(Reason::Denied));
        }
        // What was shown is what is granted: anything beyond it is asked about again.
        Answer::Allowed(shown) if scope.is_subset(&shown) => {
            state.consents.remember(signed.user.sub, &asked.client, &scope, now).await?;
            let allowed = Event::ok(Kind::Consent).subject(signed.user.sub);
            audit::note(allowed.client(&asked.client.client_id).detail(&scope));
        }
        Answer::Allowed(_) | Answer::None => {
            let is_needed = asked.prompt.consent || !is_allowed(state, asked, signed, &scope).await?;
            if is_needed && asked.prompt.none {
                return Err(asked.refuse(Reason::ConsentRequired));
            }
            if is_needed {
                return Ok(Step::Consent(scope));
            }
        }
    }
    consume(state, flow, now).await?;
    issue(state, asked, signed, scope, now).await.map(Step::Go)
}

/// Takes the one answer of a pushed request.
async fn consume(state: &AppState, flow: &Flow, now: DateTime<Utc>) -> Result<(), Refused> {
    let Some(pushed) = &flow.pushed else { return Ok(()) };
    let request_uri = RequestUri::parse(pushed).map_err(|_| PageReason::Machine("a sealed request_uri changed"))?;
    match state.pushed_requests.consume(&request_uri, now).await? {
        true => Ok(()),
        false => Err(PageReason::Request("the request_uri was answered before").into()),
    }
}

/// Whether the login that the browser has will do for this request.
fn is_login_enough(asked: &Asked, flow: &Flow, signed: &Signed, now: DateTime<Utc>) -> bool {
    if flow.login == Some(signed.session.session_id) {
        return true;
    }
    let age = (now - signed.session.auth_time).num_seconds();
    !asked.prompt.login && asked.max_age.is_none_or(|most| age <= most)
}

async fn is_allowed(state: &AppState, asked: &Asked, signed: &Signed, scope: &ScopeSet) -> Result<bool, Refused> {
    if asked.client.skips_consent {
        return Ok(true);
    }
    Ok(state.consents.covers(signed.user.sub, &asked.client, scope).await?)
}

async fn issue(
    state: &AppState,
    asked: &Asked,
    signed: &Signed,
    scope: ScopeSet,
    now: DateTime<Utc>,
) -> Result<String, Refused> {
    let new = NewCode {
        client_id: asked.client.client_id.clone(),
        sub: signed.user.sub,
        user_version: signed.user.token_version,
        session_id: signed.session.session_id,
        redirect_uri: asked.redirect_uri.clone(),
        audience: Some(asked.audience.clone()),
        scope,
        nonce: asked.nonce.clone(),
        code_challenge: asked.code_challenge.clone(),
        dpop_jkt: asked.dpop_jkt.clone(),
        auth_time: signed.session.auth_time,
    };
    let code = state.codes.issue(&new, now).await.map_err(PageReason::Code)?.text();
    tracing::info!("gave out an authorization code");
    let mut parameters = vec![("code", code.as_str())];
    parameters.extend(asked.state.iter().map(|state| ("state", state.as_str())));
    // RFC 9207: "the iss parameter" in every authorization response.
    parameters.push(("iss", state.config.issuer.as_str()));
    Ok(with_parameters(&asked.redirect_uri, &parameters))
}
