//! The login page: name and password become a session, and the request that led here goes on.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use shared::db::DbError;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::browser::Browser;
use super::device::Typed;
use super::texts::{LoginTexts, fill};
use super::views::{Frame, LoginPage, Party, SignedInPage, render};
use super::{errors, own, see_other};
use crate::audit;
use crate::limits::{DeviceId, Origin};
use crate::logins::{self, Attempt};
use crate::oauth::authorize::{
    Answer, Asked, Flow, PageReason, Parameters, answer_refused, form_target, go, host_of, proceed, prove,
    with_parameters,
};
use crate::passwords::{LaneError, Plain};
use crate::routes;
use crate::sessions::{SessionError, Signed};
use crate::state::AppState;
use crate::users::{AuthenticateError, User};
use crate::web::client_ip::client_ip;
use crate::web::cookies::Cookie;
use crate::web::csrf::Form;
use crate::web::form;
use crate::web::seal::Purpose;

/// What logins count under that no client asked for.
const NO_CLIENT: &str = "(the login page)";

/// Where a login goes on.
#[derive(Default)]
struct Destination {
    /// As it came, for the form.
    sealed: String,
    flow: Option<Flow>,
    asked: Option<Asked>,
    /// The code of a device, which no client brought here.
    device: Option<Typed>,
}

/// The login page
///
/// Without `return_to` it says who is signed in, or signs somebody in for later.
#[utoipa::path(
    get,
    path = routes::LOGIN,
    tag = "Signing in",
    params(("return_to" = Option<String>, Query, description = "What goes on after the login, sealed by this server.")),
    responses(
        (status = 200, description = "The page.", content_type = "text/html"),
        (status = 400, description = "A page: `return_to` is none of this server's, or too old.",
            content_type = "text/html"),
    )
)]
pub(super) async fn show(State(state): State<AppState>, headers: HeaderMap, uri: Uri) -> Response {
    let browser = match Browser::read(&state, &headers, None).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, &headers, &error),
    };
    let parameters = match form::parse(uri.query().unwrap_or_default().as_bytes()) {
        Ok(parameters) => parameters,
        Err(error) => return answer_refused(&state, &browser, PageReason::Form(error).into()),
    };
    let return_to = Parameters(&parameters).get("return_to").unwrap_or_default();
    if return_to.is_empty()
        && let Some(signed) = browser.signed()
    {
        return signed_in(&state, &browser, signed);
    }
    let (browser, destination) = match destination(&state, browser, &headers, return_to).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let hint = destination.asked.as_ref().and_then(|asked| asked.login_hint.clone()).unwrap_or_default();
    page(&state, &browser, &destination, &hint, None)
}

/// Signs in
#[utoipa::path(
    post,
    path = routes::LOGIN,
    operation_id = "login",
    tag = "Signing in",
    request_body(content_type = "application/x-www-form-urlencoded", description = "The page's own form."),
    responses(
        (status = 303, description = "Signed in; on to what comes next."),
        (status = 400, description = "A page: the form cannot be read.", content_type = "text/html"),
        (status = 403, description = "A page: the form is not ours, or too old.", content_type = "text/html"),
        (status = 422, description = "The page again, with what is wrong.", content_type = "text/html"),
        (status = 429, description = "The page again: too many failures.", content_type = "text/html"),
        (status = 503, description = "The page again: not now.", content_type = "text/html"),
    )
)]
pub(super) async fn submit(State(state): State<AppState>, request: Request<Body>) -> Response {
    let headers = request.headers().clone();
    let ip = client_ip(request.extensions(), &headers, &state.config.trusted_proxies);
    let is_https = state.config.issuer.is_https();
    let known = Cookie::Device.find(&headers, is_https).and_then(|cookie| state.seals.open_device(&cookie));
    // A new device gets its cookie when somebody has logged in from it.
    let device = known.unwrap_or_else(|| DeviceId(Uuid::new_v4()));
    let origin = Origin::new(ip, Some(device));
    let browser = match Browser::read(&state, &headers, None).await {
        Ok(browser) => browser,
        Err(error) => return errors::unavailable(&state, &headers, &error),
    };
    let parameters = match form::read_parameters(request).await {
        Ok((_, parameters)) => parameters,
        Err(error) => return answer_refused(&state, &browser, PageReason::Form(error).into()),
    };
    let field = |name| Parameters(&parameters).get(name);
    let return_to = field("return_to").unwrap_or_default();
    if browser.check(&state, Form::Login, field("csrf"), &headers).is_err() {
        let now = state.clock.now();
        let again = state.seals.open::<Flow>(Purpose::Return, return_to, now).is_ok()
            || state.seals.open::<Typed>(Purpose::Typed, return_to, now).is_ok();
        let again = again.then(|| with_parameters(&own(&state, routes::LOGIN), &[("return_to", return_to)]));
        return errors::forged(&state, &browser, again);
    }
    let (browser, destination) = match destination(&state, browser, &headers, return_to).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let username = field("username").unwrap_or_default();
    let password = field("password").map(|password| Zeroizing::new(password.to_owned()));
    match log_in(&state, &destination, username, password, &origin).await {
        Ok(user) => {
            let mut response = begin(&state, &browser, destination, &user).await;
            if let Some(cookie) = Cookie::Device.set(&state.seals.seal_device(device), is_https) {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            response
        }
        Err(problem) => page(&state, &browser, &destination, username, Some(&problem)),
    }
}

/// Why the form is shown again.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    UsernameMissing,
    PasswordMissing,
    Wrong,
    /// Seconds until another try makes sense.
    Busy(u64),
    /// Likewise: too many failures.
    Throttled(u64),
    Failed,
}

/// The one place of the pages where a password is checked.
async fn log_in(
    state: &AppState,
    destination: &Destination,
    username: &str,
    password: Option<Zeroizing<String>>,
    origin: &Origin,
) -> Result<User, Problem> {
    if username.is_empty() {
        return Err(Problem::UsernameMissing);
    }
    let password = password.ok_or(Problem::PasswordMissing)?;
    // A password that nobody can have is a wrong one.
    let plain = Plain::new(password.to_string()).map_err(|_| Problem::Wrong)?;
    let itself = NO_CLIENT.parse().map_err(|_| Problem::Failed)?;
    let client = destination.asked.as_ref().map_or(&itself, |asked| &asked.client.client_id);
    if destination.asked.is_some() {
        audit::note_client(client);
    }
    let attempt = Attempt { username, password: &plain, client, origin };
    state.logins.authenticate(&attempt).await.map_err(|error| {
        tracing::info!(reason = %error, "login refused");
        match error {
            logins::AuthenticateError::Throttled(throttled) => {
                Problem::Throttled(throttled.retry_after.as_secs().max(1))
            }
            logins::AuthenticateError::User(AuthenticateError::Refused(_)) => Problem::Wrong,
            logins::AuthenticateError::User(AuthenticateError::Lane(LaneError::Busy { retry_after })) => {
                Problem::Busy(retry_after.as_secs().max(1))
            }
            logins::AuthenticateError::User(AuthenticateError::Database(DbError::Unavailable(_))) => Problem::Busy(1),
            logins::AuthenticateError::User(
                AuthenticateError::Lane(LaneError::Closed | LaneError::Panicked | LaneError::Hash(_))
                | AuthenticateError::Database(DbError::Other(_)),
            ) => Problem::Failed,
        }
    })
}

/// What `return_to` means. The texts follow the request's `ui_locales` from here on.
async fn destination(
    state: &AppState,
    mut browser: Browser,
    headers: &HeaderMap,
    return_to: &str,
) -> Result<(Browser, Destination), Response> {
    if return_to.is_empty() {
        return Ok((browser, Destination::default()));
    }
    if let Ok(typed) = state.seals.open::<Typed>(Purpose::Typed, return_to, state.clock.now()) {
        let device = Some(typed);
        return Ok((browser, Destination { sealed: return_to.to_owned(), device, ..Destination::default() }));
    }
    let Ok(flow) = state.seals.open::<Flow>(Purpose::Return, return_to, state.clock.now()) else {
        return Err(errors::broken(state, &browser));
    };
    browser.texts = Browser::stranger(state, headers, Parameters(&flow.parameters).get("ui_locales")).texts;
    match prove(state, Parameters(&flow.parameters)).await {
        Ok(asked) => {
            let (flow, asked) = (Some(flow), Some(asked));
            Ok((browser, Destination { sealed: return_to.to_owned(), flow, asked, device: None }))
        }
        Err(refused) => Err(answer_refused(state, &browser, refused)),
    }
}

/// A new session under a new secret; then the request goes on as if it had come again.
async fn begin(state: &AppState, browser: &Browser, destination: Destination, user: &User) -> Response {
    let before = browser.signed().map(|signed| &signed.session);
    let (token, session) = match state.sessions.begin(user, before, state.clock.now()).await {
        Ok(begun) => begun,
        Err(SessionError::UserChanged) => return page(state, browser, &destination, "", Some(&Problem::Wrong)),
        Err(error) => {
            tracing::error!(%error, "no session could begin");
            let problem = if matches!(error, SessionError::Database(DbError::Unavailable(_))) {
                Problem::Busy(1)
            } else {
                Problem::Failed
            };
            return page(state, browser, &destination, "", Some(&problem));
        }
    };
    tracing::info!(session.id = %session.session_id, "signed in");
    let login = Some(session.session_id);
    let signed = Signed { session, user: user.clone() };
    let mut response = match (destination.flow, destination.asked) {
        (Some(flow), Some(asked)) => {
            let flow = Flow { login, ..flow };
            match proceed(state, &asked, &flow, Some(&signed), Answer::None).await {
                Ok(step) => go(state, &flow, step),
                Err(refused) => answer_refused(state, &browser.signed_in(signed), refused),
            }
        }
        _ => see_other(&destination.device.map_or_else(|| own(state, routes::LOGIN), |typed| typed.page(state))),
    };
    if let Some(cookie) = Cookie::Session.set(token.text(), state.config.issuer.is_https()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn page(
    state: &AppState,
    browser: &Browser,
    destination: &Destination,
    username: &str,
    problem: Option<&Problem>,
) -> Response {
    let t = &browser.texts.login;
    let asked = destination.asked.as_ref();
    let page = LoginPage {
        frame: Frame::new(state, browser, &t.title),
        client: asked.map(|asked| Party { name: asked.client.name.clone(), host: host_of(&asked.redirect_uri) }),
        purpose: destination.device.as_ref().map(|_| browser.texts.device.to_continue.as_str()),
        action: own(state, routes::LOGIN),
        csrf: browser.csrf(state, Form::Login),
        return_to: &destination.sealed,
        username,
        problem: problem.and_then(|problem| beside_form(t, problem)),
        username_problem: problem.filter(|p| **p == Problem::UsernameMissing).map(|_| t.username_missing.as_str()),
        password_problem: problem.filter(|p| **p == Problem::PasswordMissing).map(|_| t.password_missing.as_str()),
    };
    let status = match problem {
        None => StatusCode::OK,
        Some(Problem::UsernameMissing | Problem::PasswordMissing | Problem::Wrong) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Problem::Busy(_)) => StatusCode::SERVICE_UNAVAILABLE,
        Some(Problem::Throttled(_)) => StatusCode::TOO_MANY_REQUESTS,
        Some(Problem::Failed) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let target = asked.and_then(|asked| form_target(&asked.redirect_uri));
    let mut response = browser.finish(render(&page, browser.texts, status, target.as_deref()));
    if let Some(Problem::Busy(seconds) | Problem::Throttled(seconds)) = problem {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

fn beside_form<'a>(t: &'a LoginTexts, problem: &Problem) -> Option<&'a str> {
    match problem {
        Problem::Wrong => Some(&t.wrong),
        Problem::Busy(_) | Problem::Throttled(_) | Problem::Failed => Some(&t.busy),
        Problem::UsernameMissing | Problem::PasswordMissing => None,
    }
}

fn signed_in(state: &AppState, browser: &Browser, signed: &Signed) -> Response {
    let t = &browser.texts.login;
    let page = SignedInPage {
        frame: Frame::new(state, browser, &t.signed_in),
        who: fill(&t.signed_in_as, "email", &signed.user.email),
        logout: own(state, routes::LOGOUT),
    };
    browser.finish(render(&page, browser.texts, StatusCode::OK, None))
}
