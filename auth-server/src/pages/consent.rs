//! The consent page: what was shown is what is granted.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Request, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use shared::db::DbError;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::browser::Browser;
use super::texts::{Texts, fill};
use super::views::{ConsentPage, Frame, Party, render};
use super::{errors, note_address, own};
use crate::clients::{Client, GrantType};
use crate::oauth::authorize::{
    Answer, Asked, Flow, PageReason, Parameters, Refused, Step, answer_refused, form_target, go, host_of, proceed,
    prove, with_parameters,
};
use crate::routes;
use crate::state::AppState;
use crate::web::csrf::Form;
use crate::web::form;
use crate::web::seal::Purpose;

/// What the page has shown to whom; the form carries it, sealed.
#[derive(Serialize, Deserialize)]
struct Shown {
    flow: Flow,
    session: Uuid,
    scope: ScopeSet,
}

/// The page's form; anything else in it was put there by somebody.
const FIELDS: [&str; 3] = ["csrf", "request", "decision"];

/// The consent page
///
/// Says who asks for what, where the browser goes afterwards, and for how long.
#[utoipa::path(
    get,
    path = routes::CONSENT,
    tag = "Signing in",
    params(("request" = Option<String>, Query, description = "The request that waits, sealed by this server.")),
    responses(
        (status = 200, description = "The page.", content_type = "text/html"),
        (status = 303, description = "Nothing has to be asked, or somebody has to sign in first."),
        (status = 400, description = "A page: the request is none of this server's, or too old.",
            content_type = "text/html"),
    )
)]
pub(super) async fn show(State(state): State<AppState>, headers: HeaderMap, uri: Uri) -> Response {
    let parameters = form::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let sealed = Parameters(&parameters).get("request").unwrap_or_default();
    let flow = state.seals.open::<Flow>(Purpose::Consent, sealed, state.clock.now());
    let locales = flow.as_ref().ok().and_then(|flow| Parameters(&flow.parameters).get("ui_locales"));
    let browser = match Browser::read(&state, &headers, locales).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, &headers, &error),
    };
    let Ok(flow) = flow else { return errors::broken(&state, &browser) };
    match ask(&state, &browser, &flow).await {
        Ok(response) => response,
        Err(refused) => answer_refused(&state, &browser, refused),
    }
}

/// Allows or denies
#[utoipa::path(
    post,
    path = routes::CONSENT,
    operation_id = "consent",
    tag = "Signing in",
    request_body(content_type = "application/x-www-form-urlencoded", description = "The page's own form."),
    responses(
        (status = 303, description = "Back to the client."),
        (status = 400, description = "A page: the form was changed.", content_type = "text/html"),
        (status = 403, description = "A page: the form is not ours, or too old.", content_type = "text/html"),
    )
)]
pub(super) async fn submit(State(state): State<AppState>, request: Request<Body>) -> Response {
    let headers = request.headers().clone();
    note_address(&state, request.extensions(), &headers);
    let browser = match Browser::read(&state, &headers, None).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, &headers, &error),
    };
    let parameters = match form::read_parameters(request).await {
        Ok((_, parameters)) => parameters,
        Err(error) => return answer_refused(&state, &browser, PageReason::Form(error).into()),
    };
    let field = |name| Parameters(&parameters).get(name);
    if browser.check(&state, Form::Consent, field("csrf"), &headers).is_err() {
        return errors::forged(&state, &browser, None);
    }
    let is_ours = parameters.iter().all(|(name, _)| FIELDS.contains(&name.as_str()));
    let shown = state.seals.open::<Shown>(Purpose::Shown, field("request").unwrap_or_default(), state.clock.now());
    let (Ok(shown), true) = (shown, is_ours) else { return errors::broken(&state, &browser) };
    let answer = match field("decision") {
        Some("allow") => Answer::Allowed(shown.scope),
        Some("deny") => Answer::Denied,
        _ => return errors::broken(&state, &browser),
    };
    // Whoever answers has to be the one who was asked.
    if browser.signed().is_none_or(|signed| signed.session.session_id != shown.session) {
        return errors::forged(&state, &browser, None);
    }
    match decide(&state, &browser, &shown.flow, answer).await {
        Ok(step) => go(&state, &shown.flow, step),
        Err(refused) => answer_refused(&state, &browser, refused),
    }
}

async fn decide(state: &AppState, browser: &Browser, flow: &Flow, answer: Answer) -> Result<Step, Refused> {
    let asked = prove(state, Parameters(&flow.parameters)).await?;
    proceed(state, &asked, flow, browser.signed(), answer).await
}

async fn ask(state: &AppState, browser: &Browser, flow: &Flow) -> Result<Response, Refused> {
    let asked = prove(state, Parameters(&flow.parameters)).await?;
    match proceed(state, &asked, flow, browser.signed(), Answer::None).await? {
        Step::Consent(scope) => page(state, browser, flow, &asked, scope).await,
        step => Ok(go(state, flow, step)),
    }
}

async fn page(
    state: &AppState,
    browser: &Browser,
    flow: &Flow,
    asked: &Asked,
    scope: ScopeSet,
) -> Result<Response, Refused> {
    let signed = browser.signed().ok_or(PageReason::Machine("nobody is signed in"))?;
    let (t, now) = (browser.texts, state.clock.now());
    let scopes = in_words(state, t, &scope).await?;
    let shown = Shown { flow: flow.clone(), session: signed.session.session_id, scope };
    // Whoever signs in with another account starts from the request itself.
    let again = Flow { login: None, ..flow.clone() };
    let again = state.seals.seal(Purpose::Return, &again, now);
    let page = ConsentPage {
        frame: Frame::new(state, browser, &t.consent.title),
        client: Party { name: asked.client.name.clone(), host: host_of(&asked.redirect_uri) },
        action: own(state, routes::CONSENT),
        csrf: browser.csrf(state, Form::Consent),
        request: state.seals.seal(Purpose::Shown, &shown, now),
        scopes,
        email: signed.user.email.clone(),
        lifetime: lifetime(state, t, &asked.client),
        switch: with_parameters(&own(state, routes::LOGIN), &[("return_to", &again)]),
    };
    let target = form_target(&asked.redirect_uri);
    Ok(browser.finish(render(&page, t, StatusCode::OK, target.as_deref())))
}

/// Each scope as a person understands it: by our texts, else by its row.
pub(super) async fn in_words(state: &AppState, t: &Texts, scope: &ScopeSet) -> Result<Vec<String>, DbError> {
    let described = state.resource_servers.descriptions(scope).await?;
    let words = |name: &str| t.scopes.get(name).or_else(|| described.get(name)).map_or(name, String::as_str).to_owned();
    Ok(scope.iter().map(words).collect())
}

/// Of refresh tokens where the client gets them, else of the access token.
pub(super) fn lifetime(state: &AppState, t: &Texts, client: &Client) -> String {
    let lifetime = if client.allows(GrantType::RefreshToken) {
        state.config.refresh.of(client).absolute
    } else {
        client.lifetimes.access_token.unwrap_or(state.config.access_token_ttl)
    };
    fill(&t.consent.lifetime, "time", &t.duration(lifetime))
}
