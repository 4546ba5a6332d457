//! The page where a person lets another device sign in (RFC 8628 section 3.3): they sign in, type the code that it shows
//! (or follow a link with the code in it), see who asks for what, and say yes or no. A link alone allows nothing (section
//! 5.4): what was shown is what is granted, by a click.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::browser::Browser;
use super::consent::{in_words, lifetime};
use super::texts::fill;
use super::views::{DeviceApprovePage, DevicePage, Frame, MessagePage, render};
use super::{errors, own, see_other};
use crate::clients::{Client, ClientId, GrantType};
use crate::devices::{Approval, DecideError, FindError, Waiting};
use crate::limits::Origin;
use crate::oauth::authorize::{PageReason, Parameters, Refused, answer_refused, with_parameters};
use crate::oauth::scope;
use crate::routes;
use crate::sessions::Signed;
use crate::state::AppState;
use crate::web::client_ip::client_ip;
use crate::web::csrf::Form;
use crate::web::form;
use crate::web::seal::Purpose;

/// A code on its way through the login page, as it was typed; the browser carries it, sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Typed {
    user_code: String,
}

impl Typed {
    /// Where it goes on.
    pub(super) fn page(&self, state: &AppState) -> String {
        let code = Some(("user_code", self.user_code.as_str())).filter(|(_, code)| !code.is_empty());
        with_parameters(&own(state, routes::DEVICE), code.as_slice())
    }

    /// The login page before it.
    fn login(&self, state: &AppState) -> String {
        let sealed = state.seals.seal(Purpose::Typed, self, state.clock.now());
        with_parameters(&own(state, routes::LOGIN), &[("return_to", &sealed)])
    }
}

/// What the page has shown to whom; the form carries it, sealed.
#[derive(Serialize, Deserialize)]
struct Shown {
    user_code: String,
    expires_at: DateTime<Utc>,
    client: String,
    session: Uuid,
    scope: ScopeSet,
}

/// The page's form; anything else in it was put there by somebody.
const FIELDS: [&str; 3] = ["csrf", "request", "decision"];

/// The page for a device's code
///
/// Asks for the code that a device shows, and then says who asks for what.
#[utoipa::path(
    get,
    path = routes::DEVICE,
    tag = "Signing in",
    params(("user_code" = Option<String>, Query, description = "The code, in either case, with or without its dash.")),
    responses(
        (status = 200, description = "The page.", content_type = "text/html"),
        (status = 303, description = "Somebody has to sign in first."),
        (status = 400, description = "A page: the address cannot be read.", content_type = "text/html"),
        (status = 403, description = "A page: the account has nothing of what is asked for.", content_type = "text/html"),
        (status = 409, description = "A page: the code was answered before.", content_type = "text/html"),
        (status = 422, description = "The page again: no device waits with this code.", content_type = "text/html"),
        (status = 429, description = "The page again: too many wrong codes.", content_type = "text/html"),
    )
)]
pub(super) async fn show(State(state): State<AppState>, request: Request<Body>) -> Response {
    let (headers, uri) = (request.headers(), request.uri());
    let browser = match Browser::read(&state, headers, None).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, headers, &error),
    };
    let user_code = match typed(uri) {
        Ok(user_code) => user_code,
        Err(error) => return answer_refused(&state, &browser, PageReason::Form(error).into()),
    };
    let Some(signed) = browser.signed() else {
        return browser.finish(see_other(&Typed { user_code }.login(&state)));
    };
    tracing::Span::current().record("user.id", tracing::field::display(signed.user.sub));
    if user_code.is_empty() {
        return entry(&state, &browser, signed, "", None);
    }
    let ip = client_ip(request.extensions(), headers, &state.config.trusted_proxies);
    crate::audit::note_subject(signed.user.sub);
    let found = state.devices.find(&user_code, signed.user.sub, &Origin::new(ip, None), state.clock.now()).await;
    match found {
        Ok(waiting) => match ask(&state, &browser, signed, &waiting).await {
            Ok(response) => response,
            Err(refused) => answer_refused(&state, &browser, refused),
        },
        Err(FindError::Decided) => answered_before(&state, &browser),
        Err(FindError::Database(error)) => errors::unavailable(&state, headers, &error),
        Err(FindError::Unknown) => {
            tracing::info!("a user code was refused: no device waits with it");
            entry(&state, &browser, signed, &user_code, Some(Problem::Unknown))
        }
        Err(FindError::Throttled(throttled)) => {
            let seconds = throttled.retry_after.as_secs().max(1);
            entry(&state, &browser, signed, &user_code, Some(Problem::Throttled(seconds)))
        }
    }
}

/// Allows or denies a device
#[utoipa::path(
    post,
    path = routes::DEVICE,
    operation_id = "device",
    tag = "Signing in",
    request_body(content_type = "application/x-www-form-urlencoded", description = "The page's own form."),
    responses(
        (status = 200, description = "A page: it was done.", content_type = "text/html"),
        (status = 400, description = "A page: the form was changed.", content_type = "text/html"),
        (status = 403, description = "A page: the form is not ours, or too old.", content_type = "text/html"),
        (status = 409, description = "A page: the code was answered before, or has expired.", content_type = "text/html"),
    )
)]
pub(super) async fn submit(State(state): State<AppState>, request: Request<Body>) -> Response {
    let headers = request.headers().clone();
    client_ip(request.extensions(), &headers, &state.config.trusted_proxies);
    let browser = match Browser::read(&state, &headers, None).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, &headers, &error),
    };
    let parameters = match form::read_parameters(request).await {
        Ok((_, parameters)) => parameters,
        Err(error) => return answer_refused(&state, &browser, PageReason::Form(error).into()),
    };
    let field = |name| Parameters(&parameters).get(name);
    if browser.check(&state, Form::Device, field("csrf"), &headers).is_err() {
        return errors::forged(&state, &browser, Some(own(&state, routes::DEVICE)));
    }
    let is_ours = parameters.iter().all(|(name, _)| FIELDS.contains(&name.as_str()));
    let shown =
        state.seals.open::<Shown>(Purpose::DeviceShown, field("request").unwrap_or_default(), state.clock.now());
    let (Ok(shown), true) = (shown, is_ours) else { return errors::broken(&state, &browser) };
    let is_allowed = match field("decision") {
        Some("allow") => true,
        Some("deny") => false,
        _ => return errors::broken(&state, &browser),
    };
    // Whoever answers has to be the one who was asked.
    let Some(signed) = browser.signed().filter(|signed| signed.session.session_id == shown.session) else {
        return errors::forged(&state, &browser, Some(own(&state, routes::DEVICE)));
    };
    crate::audit::note_subject(signed.user.sub);
    match decide(&state, signed, shown, is_allowed).await {
        Ok(Some(client)) => done(&state, &browser, is_allowed, &client),
        Ok(None) => errors::broken(&state, &browser),
        Err(DecideError::Late) => answered_before(&state, &browser),
        Err(DecideError::Database(error)) => errors::unavailable(&state, &headers, &error),
    }
}

/// `None` where the sealed value is none of this version's.
async fn decide(
    state: &AppState,
    signed: &Signed,
    shown: Shown,
    is_allowed: bool,
) -> Result<Option<String>, DecideError> {
    let (Ok(user_code), Ok(client_id)) = (shown.user_code.parse(), shown.client.parse::<ClientId>()) else {
        return Ok(None);
    };
    // What was shown is what is granted, but for what the account has lost meanwhile.
    let scope = scope::of_user(state, &signed.user, &shown.scope);
    let waiting = Waiting { user_code, expires_at: shown.expires_at, client_id, scope: scope.clone() };
    let approval = Approval {
        sub: signed.user.sub,
        user_version: signed.user.token_version,
        session_id: signed.session.session_id,
        auth_time: signed.session.auth_time,
        scope,
    };
    state.devices.decide(&waiting, is_allowed.then_some(&approval), state.clock.now()).await?;
    tracing::info!(client.id = %waiting.client_id, is_allowed, "a person answered a device");
    let client = state.clients.get(&waiting.client_id).await;
    Ok(Some(client.map_or_else(|_| waiting.client_id.to_string(), |client| client.name)))
}

/// The code in the address; empty where there is none.
fn typed(uri: &Uri) -> Result<String, form::FormError> {
    let parameters = form::parse(uri.query().unwrap_or_default().as_bytes())?;
    Ok(Parameters(&parameters).get("user_code").unwrap_or_default().to_owned())
}

/// Who asks for what.
async fn ask(state: &AppState, browser: &Browser, signed: &Signed, waiting: &Waiting) -> Result<Response, Refused> {
    let client = client_of(state, waiting).await?;
    let (t, now) = (browser.texts, state.clock.now());
    let scope = scope::of_user(state, &signed.user, &waiting.scope);
    if scope.is_empty() && !waiting.scope.is_empty() {
        let text = fill(&t.device.nothing, "client", &client.name);
        return Ok(message(state, browser, StatusCode::FORBIDDEN, &t.device.nothing_title, &text));
    }
    let user_code = waiting.user_code.to_string();
    let scopes = in_words(state, t, &scope).await?;
    let shown = Shown {
        user_code: user_code.clone(),
        expires_at: waiting.expires_at,
        client: client.client_id.as_str().to_owned(),
        session: signed.session.session_id,
        scope,
    };
    let page = DeviceApprovePage {
        frame: Frame::new(state, browser, &t.device.title),
        client: client.name.clone(),
        action: own(state, routes::DEVICE),
        csrf: browser.csrf(state, Form::Device),
        request: state.seals.seal(Purpose::DeviceShown, &shown, now),
        scopes,
        email: signed.user.email.clone(),
        lifetime: lifetime(state, t, &client),
        switch: Typed { user_code: user_code.clone() }.login(state),
        user_code,
    };
    Ok(browser.finish(render(&page, t, StatusCode::OK, None)))
}

/// The client that waits, if it may still.
async fn client_of(state: &AppState, waiting: &Waiting) -> Result<Client, PageReason> {
    let client = state.clients.get(&waiting.client_id).await?;
    tracing::Span::current().record("client.id", tracing::field::display(&client.client_id));
    if client.disabled_at.is_some() || !client.allows(GrantType::DeviceCode) {
        return Err(PageReason::Request("the client is disabled, or may not use the device code grant any more"));
    }
    Ok(client)
}

/// Why the code is asked for again.
#[derive(Clone, Copy, Debug)]
enum Problem {
    Unknown,
    /// Seconds until another try makes sense.
    Throttled(u64),
}

fn entry(state: &AppState, browser: &Browser, signed: &Signed, user_code: &str, problem: Option<Problem>) -> Response {
    let t = &browser.texts.device;
    let minutes = browser.texts.duration(state.config.devices.ttl);
    let (status, text) = match problem {
        None => (StatusCode::OK, None),
        Some(Problem::Unknown) => (StatusCode::UNPROCESSABLE_ENTITY, Some(fill(&t.unknown, "time", &minutes))),
        Some(Problem::Throttled(_)) => (StatusCode::TOO_MANY_REQUESTS, Some(t.busy.clone())),
    };
    let page = DevicePage {
        frame: Frame::new(state, browser, &t.title),
        action: own(state, routes::DEVICE),
        user_code,
        problem: text.as_deref(),
        who: fill(&t.who, "email", &signed.user.email),
    };
    let mut response = browser.finish(render(&page, browser.texts, status, None));
    if let Some(Problem::Throttled(seconds)) = problem {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn done(state: &AppState, browser: &Browser, is_allowed: bool, client: &str) -> Response {
    let t = &browser.texts.device;
    let (title, text) = if is_allowed { (&t.allowed_title, &t.allowed) } else { (&t.denied_title, &t.denied) };
    message(state, browser, StatusCode::OK, title, &fill(text, "client", client))
}

fn answered_before(state: &AppState, browser: &Browser) -> Response {
    let t = &browser.texts.device;
    message(state, browser, StatusCode::CONFLICT, &t.late_title, &t.late)
}

fn message(state: &AppState, browser: &Browser, status: StatusCode, title: &str, text: &str) -> Response {
    let frame = Frame::new(state, browser, title);
    let page = MessagePage { frame, client: None, text, more: None, details: None, link: None };
    browser.finish(render(&page, browser.texts, status, None))
}
