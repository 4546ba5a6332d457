//! The pages that people see: login, consent, devices, logout and errors. Rendered here, no script, one stylesheet from the binary.
//!
//! 1. `browser` is who asks: the form cookie, the session if somebody is signed in, and the language.
//! 2. A page's form carries a proof that it is ours (`web/csrf`) and what it is about, sealed (`web/seal`); after a POST
//!    comes a 303, never a 307 that would send the password on (RFC 9700 section 4.12).
//! 3. `views` renders and sets the headers: no framing, no referrer, nothing from elsewhere, forms only to us and to the
//!    one address that was proven for this request.
//!
//! Texts are in `texts/`, a file for each language; templates in `templates/` escape whatever they are given.

mod browser;
mod consent;
mod device;
mod errors;
mod login;
mod logout;
mod style;
mod texts;
mod views;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use browser::Browser;
pub(crate) use errors::{interstitial, refused, refused_for, unavailable};
pub(crate) use texts::LANGUAGES;

use crate::state::AppState;
use crate::web::client_ip::client_ip;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login::show, login::submit))
        .routes(routes!(consent::show, consent::submit))
        .routes(routes!(device::show, device::submit))
        .routes(routes!(logout::show, logout::submit))
        .routes(routes!(style::stylesheet))
}

/// The path of one of our pages as browsers see it: below the issuer's.
pub(crate) fn own(state: &AppState, path: &str) -> String {
    format!("{}{path}", state.config.issuer.path())
}

/// Where the request comes from, for the audit log.
fn note_address(state: &AppState, extensions: &Extensions, headers: &HeaderMap) {
    client_ip(extensions, headers, &state.config.trusted_proxies);
}

/// A 303: whatever the method was, the next is a GET without a body.
pub(crate) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        tracing::error!("a redirect has an address that no header can hold");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
