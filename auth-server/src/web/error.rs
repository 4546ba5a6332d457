//! The JSON of errors at OAuth endpoints (RFC 6749 section 5.2), without knowing which error is meant when.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use shared::metrics;
use utoipa::ToSchema;

/// An error of RFC 6749 section 5.2.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// A code of an RFC, for programs.
    pub error: &'static str,
    /// What to do about it, for people; fixed words that repeat nothing of the request.
    pub error_description: &'static str,
}

/// An error answer that nobody may keep: tokens, credentials and errors about them are never cached (section 5.1).
pub fn plain(status: StatusCode, error: &'static str, description: &'static str) -> Response {
    metrics::refused(error);
    // The request's line says which refusal its client was given.
    tracing::Span::current().record("error.code", error);
    let body = Json(ErrorBody { error, error_description: description });
    let mut response = (status, body).into_response();
    forbid_caching(response.headers_mut());
    response
}

/// `Cache-Control: no-store` and its HTTP/1.0 forerunner, as RFC 6749 section 5.1 asks.
pub fn forbid_caching(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}

/// 405 for a method that a route does not have; the router adds `Allow`.
pub async fn method_not_allowed() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "this path does not have this method")
}

/// 405 for a route with one method.
pub fn only(method: &Method) -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "this path does not have this method");
    if let Ok(value) = HeaderValue::from_str(method.as_str()) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
