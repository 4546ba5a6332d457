//! What is around every route, outermost first: request id and span, security headers, the line in the log, deadline,
//! panic.
//!
//! One line is logged for each request, with its path but never its query, so that nothing secret can stand in it.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tower::Service;
use tower::layer::layer_fn;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::problem::Problem;
use super::trace;
use crate::traces::ServerSpan;
use crate::{db, metrics};

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

/// Puts the layers around `router`: as one, because each `layer` boxes every route once more and clones it for each
/// request.
pub fn apply(router: Router, options: LayerOptions) -> Router {
    let around = layer_fn(move |inner| Around { inner, options });
    router.layer((around, CatchPanicLayer::custom(move |panic| on_panic(options.errors, &panic))))
}

/// All but the panics. What axum's `from_fn` would make of it, without its copies of the routes at each request.
#[derive(Clone)]
struct Around<S> {
    inner: S,
    options: LayerOptions,
}

impl<S> Service<Request> for Around<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = Uuid::now_v7();
        request.extensions_mut().insert(RequestId(id));
        let options = self.options;
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = metrics::method_label(request.method());
        let traced = ServerSpan::begin(&request, RequestId(id), options.is_https);
        let span = span(&request, id, &traced);
        let answering = span.in_scope(|| self.inner.call(request));
        Box::pin(async move {
            let started = Instant::now();
            let mut response = traced.around(answer(options.errors, started, answering)).instrument(span).await;
            traced.answered(response.status());
            metrics::answered(route.as_ref(), method, response.status(), started.elapsed());
            set_headers(response.headers_mut(), id, options.is_https);
            Ok(response)
        })
    }
}

/// `client.forwarded` (the client that a trusted proxy names), `client.id`, `user.id` and `token.grant` (by which a token
/// was given out) are filled in by whoever learns them; each line of the request has them from then on.
fn span(request: &Request, id: Uuid, traced: &ServerSpan) -> Span {
    let ids = traced.ids();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    // At this level so that `RUST_LOG=error` leaves the request's id on the lines that are left.
    tracing::error_span!(
        "request",
        request.id = &*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()),
        http.method = request.method().as_str(),
        http.route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str),
        client.address = peer.map(tracing::field::display),
        client.forwarded = tracing::field::Empty,
        client.id = tracing::field::Empty,
        user.id = tracing::field::Empty,
        token.grant = tracing::field::Empty,
        trace.id = ids.as_ref().map_or_else(|| trace::find_id(request.headers()), |ids| Some(ids.trace.as_str())),
        span.id = ids.as_ref().map(|ids| ids.span.as_str()),
        error.code = tracing::field::Empty,
    )
}

fn set_headers(headers: &mut HeaderMap, id: Uuid, is_https: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    if is_https {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    if let Ok(value) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
        headers.insert(REQUEST_ID, value);
    }
}

/// The answer in time, and the line about it.
async fn answer<R: IntoResponse>(
    errors: ErrorFormat,
    started: Instant,
    answering: impl Future<Output = Result<R, Infallible>>,
) -> Response {
    let mut answering = std::pin::pin!(tokio::time::timeout(REQUEST_DEADLINE, answering));
    // Behind what it watches: a client that leaves drops it first.
    let watch = db::Watch::new();
    let response = match answering.as_mut().await {
        Ok(Ok(response)) => {
            watch.done();
            response.into_response()
        }
        Err(_) => {
            drop(watch);
            tracing::warn!(deadline.seconds = REQUEST_DEADLINE.as_secs(), "gave up on a request");
            errors.answer(StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(http.status = response.status().as_u16(), http.milliseconds = milliseconds, "answered");
    response
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
