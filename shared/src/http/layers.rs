//! The layers around every route, outermost first: request id and span, security headers, panic, deadline.
//!
//! One line is logged for each request, with its path but never its query, so that nothing secret can stand in it.

use std::any::Any;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use uuid::Uuid;

use super::problem::Problem;

/// The header in which the client learns the id that the log has for its request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a request may take before it is answered 503.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// The id of this request, as the log and the client know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

/// How errors look that no handler made: a panic, a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorFormat {
    /// RFC 6749 section 5.2, for an authorization server.
    OAuth,
    /// RFC 9457, for a resource server.
    Problem,
}

/// What differs between services.
#[derive(Clone, Copy, Debug)]
pub struct LayerOptions {
    /// The look of panics and deadlines.
    pub errors: ErrorFormat,
    /// True when clients reach the service by https only: adds `Strict-Transport-Security`.
    pub is_https: bool,
}

/// Puts the layers around `router`.
pub fn apply(router: Router, options: LayerOptions) -> Router {
    router
        .layer(middleware::from_fn(move |request: Request, next: Next| deadline(options.errors, request, next)))
        .layer(CatchPanicLayer::custom(move |panic| on_panic(options.errors, &panic)))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            security_headers(options.is_https, request, next)
        }))
        .layer(middleware::from_fn(identify))
}

/// `client.forwarded` (the client that a trusted proxy names), `client.id` and `user.id` are filled in by whoever learns them; each line of the request has them from then on.
async fn identify(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7();
    request.extensions_mut().insert(RequestId(id));
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    // At this level so that `RUST_LOG=error` leaves the request's id on the lines that are left.
    let span = tracing::error_span!(
        "request",
        request.id = %id,
        http.method = %request.method(),
        http.route = route,
        client.address = peer.map(tracing::field::display),
        client.forwarded = tracing::field::Empty,
        client.id = tracing::field::Empty,
        user.id = tracing::field::Empty,
    );
    async move {
        let started = std::time::Instant::now();
        let mut response = next.run(request).await;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(http.status = response.status().as_u16(), http.milliseconds = milliseconds, "answered");
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

async fn security_headers(is_https: bool, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    if is_https {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    response
}

async fn deadline(errors: ErrorFormat, request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(deadline.seconds = REQUEST_DEADLINE.as_secs(), "gave up on a request");
            errors.answer(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

fn on_panic(errors: ErrorFormat, panic: &(dyn Any + Send)) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic.message = ?message.unwrap_or("of unknown type"), "a handler panicked");
    errors.answer(StatusCode::INTERNAL_SERVER_ERROR)
}

impl ErrorFormat {
    /// An answer without detail for a failure outside the handlers: 503 with `Retry-After`, else 500.
    #[must_use]
    pub fn answer(self, status: StatusCode) -> Response {
        let is_unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::Problem if is_unavailable => Problem::unavailable().into_response(),
            Self::Problem => Problem::internal().into_response(),
            Self::OAuth => {
                let error = if is_unavailable { "temporarily_unavailable" } else { "server_error" };
                let description = if is_unavailable { "try again later" } else { "the server failed" };
                let body = serde_json::json!({ "error": error, "error_description": description });
                let mut response = (status, axum::Json(body)).into_response();
                response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                if is_unavailable {
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                }
                response
            }
        }
    }
}
