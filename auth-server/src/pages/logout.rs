//! Signing out (OpenID Connect RP-initiated logout 1.0).
//!
//! With an `id_token` of the person who is signed in, the client may end the session without a question. Without one a
//! person is asked, or anybody's link could sign people out. The way back is one that the client has registered, byte for
//! byte.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::browser::Browser;
use super::texts::fill;
use super::views::{Frame, LogoutPage, MessagePage, render};
use super::{errors, note_address, own, see_other};
use crate::audit;
use crate::clients::{Client, ClientId};
use crate::oauth::authorize::{PageReason, Parameters, Refused, answer_refused, form_target, host_of, with_parameters};
use crate::oauth::id_token;
use crate::routes;
use crate::sessions::Signed;
use crate::state::AppState;
use crate::web::cookies::Cookie;
use crate::web::csrf::Form;
use crate::web::form;
use crate::web::seal::Purpose;

/// Where the browser goes afterwards, proven; the form carries it, sealed.
#[derive(Default, Serialize, Deserialize)]
struct Return {
    location: Option<String>,
    /// The client that asked for it, for the audit log.
    client: Option<String>,
}

/// What a request for a logout comes to.
struct Wish {
    back: Return,
    /// The person whom the client's `id_token` names.
    sub: Option<Uuid>,
}

/// Signs out, or asks
///
/// RP-initiated logout: at once with an `id_token_hint` of the person who is signed in, else after a question.
#[utoipa::path(
    get,
    path = routes::LOGOUT,
    tag = "Signing in",
    params(
        ("id_token_hint" = Option<String>, Query, description = "An `id_token` that the client has; it may be old."),
        ("client_id" = Option<String>, Query, description = "The client, where there is no `id_token`."),
        ("post_logout_redirect_uri" = Option<String>, Query, description = "Registered, byte for byte."),
        ("state" = Option<String>, Query, description = "Comes back as it is."),
        ("ui_locales" = Option<String>, Query, description = "Languages, best first."),
    ),
    responses(
        (status = 200, description = "The page that asks, or says that nobody is signed in.",
            content_type = "text/html"),
        (status = 303, description = "Signed out; on to `post_logout_redirect_uri`."),
        (status = 400, description = "A page: the address is not registered.", content_type = "text/html"),
    )
)]
pub(super) async fn show(State(state): State<AppState>, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    let (headers, uri) = (parts.headers, parts.uri);
    note_address(&state, &parts.extensions, &headers);
    let parameters = form::parse(uri.query().unwrap_or_default().as_bytes());
    let locales = parameters.as_deref().ok().and_then(|pairs| Parameters(pairs).get("ui_locales"));
    let browser = match Browser::read(&state, &headers, locales).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, &headers, &error),
    };
    let wish = match &parameters {
        Ok(parameters) => read(&state, Parameters(parameters)).await,
        Err(error) => Err(PageReason::Form(*error).into()),
    };
    let wish = match wish {
        Ok(Some(wish)) => wish,
        Ok(None) => return not_registered(&state, &browser),
        Err(refused) => return answer_refused(&state, &browser, refused),
    };
    match browser.signed() {
        None if wish.sub.is_some() => done(&state, &browser, &wish.back),
        None => offer(&state, &browser, &wish.back),
        Some(signed) if wish.sub == Some(signed.user.sub) => end(&state, &browser, signed, &wish.back).await,
        Some(signed) => ask(&state, &browser, signed, &wish.back),
    }
}

/// Signs out by the page's form, or as `GET` by a client's
#[utoipa::path(
    post,
    path = routes::LOGOUT,
    operation_id = "logout",
    tag = "Signing in",
    request_body(content_type = "application/x-www-form-urlencoded",
        description = "The page's own form, or the parameters of `GET`."),
    responses(
        (status = 303, description = "Signed out, or on to the same request as an address."),
        (status = 400, description = "A page: the form cannot be read.", content_type = "text/html"),
        (status = 403, description = "A page: the form is not ours, or too old.", content_type = "text/html"),
    )
)]
pub(super) async fn submit(State(state): State<AppState>, request: Request<Body>) -> Response {
    let headers = request.headers().clone();
    note_address(&state, request.extensions(), &headers);
    let parameters = match form::read_parameters(request).await {
        Ok((_, parameters)) => parameters,
        Err(error) => return errors::refused(&state, &headers, &PageReason::Form(error)),
    };
    let field = |name| Parameters(&parameters).get(name);
    if field("csrf").is_none() && field("request").is_none() && field("decision").is_none() {
        let pairs: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        return see_other(&with_parameters(&own(&state, routes::LOGOUT), &pairs));
    }
    let browser = match Browser::read(&state, &headers, None).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, &headers, &error),
    };
    if browser.check(&state, Form::Logout, field("csrf"), &headers).is_err() {
        return errors::forged(&state, &browser, Some(own(&state, routes::LOGOUT)));
    }
    let sealed = field("request").unwrap_or_default();
    let Ok(back) = state.seals.open::<Return>(Purpose::Logout, sealed, state.clock.now()) else {
        return errors::broken(&state, &browser);
    };
    match browser.signed() {
        Some(signed) => end(&state, &browser, signed, &back).await,
        None => done(&state, &browser, &back),
    }
}

/// `None` where the way back is not registered.
async fn read(state: &AppState, parameters: Parameters<'_>) -> Result<Option<Wish>, Refused> {
    let hint = parameters.get("id_token_hint").and_then(|hint| id_token::read(state, hint));
    let named = parameters.get("client_id");
    if let (Some(hint), Some(named)) = (&hint, named)
        && hint.aud != named
    {
        return Err(PageReason::Request("client_id is not the client of id_token_hint").into());
    }
    let Some(uri) = parameters.get("post_logout_redirect_uri") else {
        let client = hint.as_ref().map(|hint| hint.aud.clone());
        return Ok(Some(Wish { back: Return { location: None, client }, sub: hint.map(|hint| hint.sub) }));
    };
    let client_id = hint.as_ref().map(|hint| hint.aud.as_str()).or(named).unwrap_or_default();
    let client = find(state, client_id).await?;
    let is_registered = |client: &Client| client.post_logout_redirect_uris.iter().any(|known| known == uri);
    let Some(client) = client.filter(is_registered) else { return Ok(None) };
    let client_state = parameters.get("state").map(|state| ("state", state));
    let location = with_parameters(uri, client_state.as_slice());
    let back = Return { location: Some(location), client: Some(client.client_id.to_string()) };
    Ok(Some(Wish { back, sub: hint.map(|hint| hint.sub) }))
}

async fn find(state: &AppState, client_id: &str) -> Result<Option<Client>, Refused> {
    let Ok(client_id) = client_id.parse::<ClientId>() else { return Ok(None) };
    match state.clients.get(&client_id).await.map_err(PageReason::from) {
        Ok(client) => Ok(Some(client)),
        Err(PageReason::Request(_)) => Ok(None),
        Err(reason) => Err(reason.into()),
    }
}

async fn end(state: &AppState, browser: &Browser, signed: &Signed, back: &Return) -> Response {
    if let Some(client) = &back.client {
        audit::note_client(client);
    }
    if let Err(error) = state.sessions.end(signed.session.session_id, state.clock.now()).await {
        return answer_refused(state, browser, error.into());
    }
    tracing::info!(session.id = %signed.session.session_id, user.id = %signed.user.sub, "signed out");
    let own = own(state, routes::LOGOUT);
    let mut response = see_other(back.location.as_deref().unwrap_or(&own));
    if let Some(cookie) = Cookie::Session.clear(state.config.issuer.is_https()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn ask(state: &AppState, browser: &Browser, signed: &Signed, back: &Return) -> Response {
    let t = &browser.texts.logout;
    let page = LogoutPage {
        frame: Frame::new(state, browser, &t.title),
        question: fill(&t.question, "email", &signed.user.email),
        action: own(state, routes::LOGOUT),
        csrf: browser.csrf(state, Form::Logout),
        request: state.seals.seal(Purpose::Logout, back, state.clock.now()),
    };
    let target = back.location.as_deref().and_then(form_target);
    browser.finish(render(&page, browser.texts, StatusCode::OK, target.as_deref()))
}

/// Nobody is signed in any more, and the client has shown that it was its person.
fn done(state: &AppState, browser: &Browser, back: &Return) -> Response {
    match &back.location {
        Some(location) => see_other(location),
        None => offer(state, browser, back),
    }
}

/// Nobody is signed in. The way back is a link: a redirect would send on whoever follows a stranger's.
fn offer(state: &AppState, browser: &Browser, back: &Return) -> Response {
    let t = browser.texts;
    let frame = Frame::new(state, browser, &t.logout.done_title);
    let link = |location: &String| (fill(&t.error.back, "host", &host_of(location)), location.clone());
    let link = back.location.as_ref().map(link);
    let page = MessagePage { frame, client: None, text: &t.logout.done, more: None, details: None, link };
    browser.finish(render(&page, browser.texts, StatusCode::OK, None))
}

fn not_registered(state: &AppState, browser: &Browser) -> Response {
    let t = &browser.texts.error;
    let frame = Frame::new(state, browser, &t.request_title);
    let details = Some("post_logout_redirect_uri is not registered for the client".to_owned());
    let page = MessagePage { frame, client: None, text: &t.address, more: None, details, link: None };
    browser.finish(render(&page, browser.texts, StatusCode::BAD_REQUEST, None))
}
