//! The span of one of our own requests (semantic conventions for HTTP client spans), and its `traceparent`.

use http::{HeaderMap, Method, StatusCode};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use url::Url;

use super::super::Purpose;
use super::{server, tracer};
use crate::http::trace::TRACESTATE;
use crate::metrics;

/// One request of ours, until it is dropped; without [`Outgoing::answered`] it has failed.
pub struct Outgoing(Option<Context>);

impl Outgoing {
    pub(crate) fn begin(method: &Method, url: &Url, purpose: Purpose) -> Self {
        let Some(tracer) = tracer() else { return Self(None) };
        let parent = match purpose {
            Purpose::Poll => Context::new().with_remote_span_context(unrecorded()),
            Purpose::Errand => Context::current(),
        };
        let method = metrics::method_label(method);
        let builder = tracer.span_builder(method).with_kind(SpanKind::Client);
        let context = parent.with_span(tracer.build_with_context(builder, &parent));
        if server::is_recorded(&context) {
            describe(&context, method, url);
        }
        Self(Some(context))
    }

    /// `traceparent`, and `tracestate` where there is one.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(context) = &self.0 {
            TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(&mut headers));
            if headers.get(TRACESTATE).is_some_and(|state| state.is_empty()) {
                headers.remove(TRACESTATE);
            }
        }
        headers
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let Some(context) = &self.0 else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_client_error() || status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // After its end a span takes nothing more.
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", "_OTHER"));
            context.span().set_status(Status::error("no answer"));
        }
    }
}

/// The begin of a trace that nobody records.
fn unrecorded() -> SpanContext {
    let ids = RandomIdGenerator::default();
    let (trace, span) = (ids.new_trace_id(), ids.new_span_id());
    SpanContext::new(trace, span, TraceFlags::default(), true, TraceState::default())
}

fn describe(context: &Context, method: &'static str, url: &Url) {
    let mut plain = url.clone();
    plain.set_query(None);
    let span = context.span();
    span.set_attribute(KeyValue::new("http.request.method", method));
    span.set_attribute(KeyValue::new("url.full", plain.to_string()));
    if let Some(host) = url.host_str() {
        span.set_attribute(KeyValue::new("server.address", host.to_owned()));
    }
    if let Some(port) = url.port_or_known_default() {
        span.set_attribute(KeyValue::new("server.port", i64::from(port)));
    }
}
