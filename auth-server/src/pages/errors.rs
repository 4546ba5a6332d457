//! Pages that say what is wrong. What a person can do stands first; what its developer needs to know is a fixed text, and
//! nothing of the request is shown but the client's name and host.

use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use shared::db::DbError;

use super::browser::Browser;
use super::texts::fill;
use super::views::{Frame, MessagePage, Party, render};
use crate::codes::RedeemError;
use crate::oauth::authorize::{Back, PageReason, Reason, host_of};
use crate::state::AppState;
use crate::web::form::FormError;

/// The page for a request that no client can be answered for.
pub(crate) fn refused_for(state: &AppState, browser: &Browser, reason: &PageReason) -> Response {
    let t = &browser.texts.error;
    let (status, title, text) = match reason {
        PageReason::Form(FormError::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, &t.request_title, &t.request),
        PageReason::Form(_) | PageReason::Request(_) => (StatusCode::BAD_REQUEST, &t.request_title, &t.request),
        PageReason::Sealed => (StatusCode::BAD_REQUEST, &t.old_title, &t.old),
        PageReason::Machine(_)
        | PageReason::Code(RedeemError::Randomness(_))
        | PageReason::Database(DbError::Other(_)) => (StatusCode::INTERNAL_SERVER_ERROR, &t.down_title, &t.down),
        PageReason::Code(_) | PageReason::Database(DbError::Unavailable(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, &t.down_title, &t.down)
        }
    };
    let details = match reason {
        PageReason::Form(error) => Some(error.to_string()),
        PageReason::Request(text) => Some((*text).to_owned()),
        _ => None,
    };
    if status.is_server_error() {
        tracing::error!(%reason, "a page request failed");
    } else {
        tracing::info!(%reason, "a page request was refused");
    }
    let frame = Frame::new(state, browser, title);
    let page = MessagePage { frame, client: None, text, more: None, details, link: None };
    let mut response = render(&page, browser.texts, status, None);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The same for a request of which nothing else was read.
pub(crate) fn refused(state: &AppState, headers: &HeaderMap, reason: &PageReason) -> Response {
    refused_for(state, &Browser::stranger(state, headers, None), reason)
}

/// The page for a database that does not answer.
pub(crate) fn unavailable(state: &AppState, headers: &HeaderMap, error: &DbError) -> Response {
    let browser = Browser::stranger(state, headers, None);
    tracing::error!(%error, "a page cannot be made");
    let t = &browser.texts.error;
    let frame = Frame::new(state, &browser, &t.down_title);
    let page = MessagePage { frame, client: None, text: &t.down, more: None, details: None, link: None };
    let mut response = render(&page, browser.texts, StatusCode::SERVICE_UNAVAILABLE, None);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The page between a stranger and a client's error.
pub(crate) fn interstitial(
    state: &AppState,
    browser: &Browser,
    back: &Back,
    reason: Reason,
    location: &str,
) -> Response {
    let t = &browser.texts.error;
    let host = host_of(&back.redirect_uri);
    let link = Some((fill(&t.back, "host", &host), location.to_owned()));
    let page = MessagePage {
        frame: Frame::new(state, browser, &t.client_title),
        client: Some(Party { name: back.client_name.clone(), host }),
        text: &t.client,
        more: Some(&t.stranger),
        details: Some(format!("{}: {reason}", reason.code())),
        link,
    };
    render(&page, browser.texts, StatusCode::BAD_REQUEST, None)
}

/// The page for a form that is not ours, or too old; `again` leads back to where it came from.
pub(super) fn forged(state: &AppState, browser: &Browser, again: Option<String>) -> Response {
    tracing::warn!("a form was refused: not sent from our page in this browser, or too old");
    let t = &browser.texts.error;
    let link = again.map(|address| (t.again.clone(), address));
    let frame = Frame::new(state, browser, &t.form_title);
    let page = MessagePage { frame, client: None, text: &t.form, more: None, details: None, link };
    browser.finish(render(&page, browser.texts, StatusCode::FORBIDDEN, None))
}

/// A sealed value that is none.
pub(super) fn broken(state: &AppState, browser: &Browser) -> Response {
    browser.finish(refused_for(state, browser, &PageReason::Sealed).into_response())
}
