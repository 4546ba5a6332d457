//! From HTTP to the service and back.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Request, Uri};

use super::machine::prove;
use super::redirect::with_parameters;
use super::refused::{Back, PageReason, Reason, Refused};
use super::service::{Answer, Flow, Step, proceed};
use super::validate::Parameters;
use crate::pages::{self, Browser};
use crate::pushed_requests::{PREFIX, RequestUri};
use crate::routes;
use crate::state::AppState;
use crate::web::form::{self, FormError};
use crate::web::seal::Purpose;

/// Bytes of a query. It comes back sealed in another address, and proxies end at 16 KiB.
pub(crate) const LONGEST_QUERY: usize = 10 * 1024;

/// Signs a person in and asks for their consent
///
/// RFC 6749 section 4.1.1, OpenID Connect core section 3.1.2.1; for browsers. PKCE with S256 is required of every client.
/// The answer is a redirect: to the login page, to the consent page, or to `redirect_uri` with `code` or `error`, `state`
/// and `iss` (RFC 9207).
#[utoipa::path(
    get,
    path = routes::AUTHORIZE,
    tag = "Signing in",
    params(
        ("client_id" = String, Query, description = "The client."),
        ("redirect_uri" = String, Query, description = "Where the answer goes; registered, byte for byte."),
        ("response_type" = String, Query, description = "`code`."),
        ("response_mode" = Option<String>, Query, description = "`query`."),
        ("scope" = Option<String>, Query, description = "What is asked for; absent: the client's default."),
        ("state" = Option<String>, Query, description = "Comes back as it is."),
        ("nonce" = Option<String>, Query, description = "Comes back in the `id_token`."),
        ("code_challenge" = String, Query, description = "RFC 7636 section 4.2."),
        ("code_challenge_method" = String, Query, description = "`S256`."),
        ("prompt" = Option<String>, Query, description = "`none`, or `login` and `consent`."),
        ("max_age" = Option<u64>, Query, description = "Seconds since the login that are not too many."),
        ("login_hint" = Option<String>, Query, description = "Stands in the login page's first field."),
        ("id_token_hint" = Option<String>, Query, description = "Of the only user who will do."),
        ("ui_locales" = Option<String>, Query, description = "Languages, best first."),
        ("resource" = Option<String>, Query, description = "What the token is for (RFC 8707)."),
        ("request_uri" = Option<String>, Query,
            description = "The name of a request that was pushed to `/par`; then `client_id` is all that is needed beside it."),
    ),
    responses(
        (status = 303, description = "On to the next page, or back to the client."),
        (status = 400, description = "A page: the client or its `redirect_uri` is not proven, or nobody is signed in who \
            could be sent back with an error.", content_type = "text/html"),
    )
)]
pub(super) async fn authorize(State(state): State<AppState>, headers: HeaderMap, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let parameters = match query.len() {
        0..=LONGEST_QUERY => form::parse(query.as_bytes()),
        _ => Err(FormError::TooLarge),
    };
    let languages = parameters.as_deref().ok().and_then(|pairs| Parameters(pairs).get("ui_locales"));
    let browser = match Browser::read(&state, &headers, languages).await {
        Ok(browser) => browser,
        Err(error) => return pages::unavailable(&state, &headers, &error),
    };
    let done = match parameters {
        Ok(parameters) => begin(&state, &browser, parameters).await,
        Err(error) => Err(PageReason::Form(error).into()),
    };
    done.unwrap_or_else(|refused| answer_refused(&state, &browser, refused))
}

/// The same by a form
///
/// OpenID Connect core section 3.1.2.1. The browser is sent on to the same request as an address: a form from another
/// site comes without the session's cookie, the address that it leads to comes with it.
#[utoipa::path(
    post,
    path = routes::AUTHORIZE,
    operation_id = "authorize_by_form",
    tag = "Signing in",
    request_body(content_type = "application/x-www-form-urlencoded", description = "The parameters of `GET`."),
    responses(
        (status = 303, description = "On to the same request as an address."),
        (status = 400, description = "A page: the form cannot be read.", content_type = "text/html"),
    )
)]
pub(super) async fn authorize_by_form(State(state): State<AppState>, request: Request<Body>) -> Response {
    let headers = request.headers().clone();
    match form::read_parameters(request).await {
        Ok((_, parameters)) => {
            let pairs: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            pages::see_other(&with_parameters(&pages::own(&state, routes::AUTHORIZE), &pairs))
        }
        Err(error) => pages::refused(&state, &headers, &PageReason::Form(error)),
    }
}

async fn begin(state: &AppState, browser: &Browser, parameters: Vec<(String, String)>) -> Result<Response, Refused> {
    let (parameters, pushed) = bring(state, parameters).await?;
    let asked = prove(state, Parameters(&parameters)).await?;
    // "the authorization server ... MUST reject the request" (RFC 9126 section 5), which may be any other by a link.
    let is_required = state.config.requires_pushed_requests || asked.client.require_pushed_authorization_requests;
    if is_required && pushed.is_none() {
        return Err(asked.refuse(Reason::PushRequired));
    }
    let flow = Flow { parameters, login: None, pushed };
    let step = proceed(state, &asked, &flow, browser.signed(), Answer::None).await?;
    Ok(go(state, &flow, step))
}

/// What a client pushed, in place of the name that the browser brought; everything else beside that name is ignored (RFC
/// 9126 section 4, RFC 9101 section 5). A name of another kind is left to the checks of the request.
async fn bring(state: &AppState, parameters: Vec<(String, String)>) -> Result<Brought, Refused> {
    const UNKNOWN: PageReason =
        PageReason::Request("the request_uri is unknown, too old, answered, or another client's");
    let read = Parameters(&parameters);
    let Some(text) = read.get("request_uri").filter(|text| text.starts_with(PREFIX)) else {
        return Ok((parameters, None));
    };
    let client_id = read.get("client_id").ok_or(PageReason::Request("client_id is missing beside request_uri"))?;
    let request_uri = RequestUri::parse(text).map_err(|_| UNKNOWN)?;
    let found = state.pushed_requests.find(&request_uri, client_id, state.clock.now()).await?;
    Ok((found.ok_or(UNKNOWN)?, Some(request_uri.text())))
}

/// The parameters of a request, and the name by which it was pushed.
type Brought = (Vec<(String, String)>, Option<String>);

/// The redirect to the next step.
pub(crate) fn go(state: &AppState, flow: &Flow, step: Step) -> Response {
    let now = state.clock.now();
    let location = match step {
        Step::Login => {
            let sealed = state.seals.seal(Purpose::Return, flow, now);
            with_parameters(&pages::own(state, routes::LOGIN), &[("return_to", &sealed)])
        }
        Step::Consent(_) => {
            let sealed = state.seals.seal(Purpose::Consent, flow, now);
            with_parameters(&pages::own(state, routes::CONSENT), &[("request", &sealed)])
        }
        Step::Go(location) => location,
    };
    pages::see_other(&location)
}

/// A page, or a redirect to the client. A link can provoke every error: with nobody signed in, and a client that asked for
/// a page, the page says what is wrong instead of sending a stranger on (RFC 9700 section 4.11.2).
pub(crate) fn answer_refused(state: &AppState, browser: &Browser, refused: Refused) -> Response {
    match refused {
        Refused::Page(reason) => browser.finish(pages::refused_for(state, browser, &reason)),
        Refused::Back(back, reason) => {
            tracing::info!(error = reason.code(), %reason, "authorization request refused");
            tracing::Span::current().record("error.code", reason.code());
            let location = error_location(state, &back, reason);
            if back.is_silent || browser.signed().is_some() {
                return pages::see_other(&location);
            }
            browser.finish(pages::interstitial(state, browser, &back, reason, &location))
        }
    }
}

/// RFC 6749 section 4.1.2.1.
fn error_location(state: &AppState, back: &Back, reason: Reason) -> String {
    let description = reason.to_string();
    let mut parameters = vec![("error", reason.code()), ("error_description", description.as_str())];
    parameters.extend(back.state.iter().map(|state| ("state", state.as_str())));
    parameters.push(("iss", state.config.issuer.as_str()));
    with_parameters(&back.redirect_uri, &parameters)
}
