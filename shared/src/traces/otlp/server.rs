//! The span of one request (semantic conventions for HTTP server spans).

use std::future::Future;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use opentelemetry::context::FutureExt as _;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::super::Ids;
use super::tracer;
use crate::http::layers::RequestId;
use crate::http::trace::{self, TRACESTATE};
use crate::metrics;

/// Bytes of `tracestate` that are passed on: what section 3.3.1.5 asks for, and no more of a stranger's.
const STATE: usize = 512;

/// One request, from its head to the head of its answer. Dropped before that, its client has gone.
pub struct ServerSpan(Option<Context>);

impl ServerSpan {
    pub(crate) fn begin(request: &Request, id: RequestId, is_https: bool) -> Self {
        let Some(tracer) = tracer() else { return Self(None) };
        let parent = parent(request.headers());
        let method = metrics::method_label(request.method());
        let builder = tracer.span_builder(method).with_kind(SpanKind::Server);
        let context = parent.with_span(tracer.build_with_context(builder, &parent));
        if is_recorded(&context) {
            describe(&context, request, (method, id, is_https));
        }
        Self(Some(context))
    }

    pub(crate) fn ids(&self) -> Option<Ids> {
        let context = self.0.as_ref()?.span().span_context().clone();
        context.is_valid().then(|| Ids { trace: context.trace_id().to_string(), span: context.span_id().to_string() })
    }

    /// The future, with this span as the one that it works for.
    pub(crate) fn around<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let context = self.0.clone();
        async move {
            match context {
                Some(context) => future.with_context(context).await,
                None => future.await,
            }
        }
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let Some(context) = &self.0 else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        // What a client did wrong is no error of the server's.
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Whether what happens in this context is recorded by us.
pub(super) fn is_recorded(context: &Context) -> bool {
    context.has_active_span() && context.span().is_recording()
}

fn parent(headers: &HeaderMap) -> Context {
    // The log's own reading decides what is well-formed, so that both say the same.
    if trace::find_id(headers).is_none() {
        return Context::new();
    }
    let is_long = headers.get(TRACESTATE).is_some_and(|state| state.len() > STATE);
    let short = is_long.then(|| {
        let mut headers = headers.clone();
        headers.remove(TRACESTATE);
        headers
    });
    let extractor = HeaderExtractor(short.as_ref().unwrap_or(headers));
    TraceContextPropagator::new().extract_with_context(&Context::new(), &extractor)
}

/// The path only where a route has it: whatever else is asked for may be anything.
fn describe(context: &Context, request: &Request, (method, RequestId(id), is_https): (&'static str, RequestId, bool)) {
    let span = context.span();
    let mut attributes = vec![
        KeyValue::new("http.request.method", if method == "other" { "_OTHER" } else { method }),
        KeyValue::new("url.scheme", if is_https { "https" } else { "http" }),
        KeyValue::new("request.id", id.to_string()),
    ];
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        span.update_name(format!("{method} {}", route.as_str()));
        attributes.push(KeyValue::new("http.route", route.as_str().to_owned()));
        attributes.push(KeyValue::new("url.path", request.uri().path().to_owned()));
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    if let Some(host) = host {
        attributes.push(KeyValue::new("server.address", host.host().to_owned()));
        attributes.extend(host.port_u16().map(|port| KeyValue::new("server.port", i64::from(port))));
    }
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        attributes.push(KeyValue::new("network.peer.address", peer.ip().to_string()));
    }
    span.set_attributes(attributes);
}
