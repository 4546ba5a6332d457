//! With the feature: the exporter, and what it is given.

mod client;
mod outgoing;
mod server;

use std::collections::HashMap;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;
use uuid::Uuid;

use self::client::Client;
pub use self::outgoing::Outgoing;
pub use self::server::ServerSpan;
use super::{Part, StartError, TracesConfig};

/// How long a batch may take on its way.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for what is left to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

const SERVICE_NAME: Key = Key::from_static_str("service.name");

/// Set once, and never dropped: its thread ends with [`stop`].
static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Begins to export, where an endpoint is set; a second call does nothing. To be called on the runtime that the service
/// runs on, which sends the batches. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` name the service otherwise than
/// `service`; `OTEL_BSP_…` bound queue and batches.
///
/// # Errors
/// [`StartError`].
pub fn start(config: Option<&TracesConfig>, service: &'static str, version: &'static str) -> Result<(), StartError> {
    let Some(config) = config.filter(|_| EXPORT.get().is_none()) else { return Ok(()) };
    // Parents decide, so that a trace is whole or not there; without one the ratio does.
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.ratio)));
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_resource(resource(service, version))
        .with_batch_exporter(exporter(config)?)
        .build();
    let tracer = provider.tracer("myapi");
    drop(EXPORT.set(Export { provider, tracer }));
    tracing::info!(traces.endpoint = %config.endpoint, traces.ratio = config.ratio, "traces are exported");
    Ok(())
}

/// Sends what is left. What ends after it is lost.
pub async fn stop() {
    let Some(export) = EXPORT.get() else { return };
    let provider = export.provider.clone();
    #[expect(clippy::disallowed_methods, reason = "it waits for the exporter's thread, which needs this one's runtime")]
    let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT));
    if !matches!(flushed.await, Ok(Ok(()))) {
        tracing::warn!("the last traces were not taken in time");
    }
}

/// The future, in the context of whoever makes it: for work in a task of its own.
pub fn carry<F: Future>(future: F) -> impl Future<Output = F::Output> {
    future.with_current_context()
}

/// A part of the request that is being answered, if it is recorded. It ends when it is dropped.
pub struct Child(#[expect(dead_code, reason = "it is there to be dropped")] Option<Span>);

/// Begins a part of the request that is being answered; nothing where there is none, or nobody records it.
#[must_use]
pub fn child(part: Part) -> Child {
    let Some(tracer) = tracer() else { return Child(None) };
    Child(Context::map_current(|parent| {
        server::is_recorded(parent).then(|| match part {
            Part::Database => {
                let system = KeyValue::new("db.system.name", "postgresql");
                let builder = tracer.span_builder("postgresql").with_kind(SpanKind::Client).with_attributes([system]);
                tracer.build_with_context(builder, parent)
            }
            Part::PasswordHash => tracer.build_with_context(tracer.span_builder("password hash"), parent),
        })
    }))
}

fn tracer() -> Option<&'static SdkTracer> {
    EXPORT.get().map(|export| &export.tracer)
}

fn exporter(config: &TracesConfig) -> Result<SpanExporter, StartError> {
    let headers = config.headers.iter().map(|(name, value)| (name.to_string(), value.expose_secret().to_owned()));
    SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", config.endpoint.as_str().trim_end_matches('/')))
        .with_timeout(SEND_TIMEOUT)
        .with_headers(headers.collect::<HashMap<_, _>>())
        .with_http_client(Client::new(SEND_TIMEOUT, Handle::current())?)
        .build()
        .map_err(|error| StartError::Exporter(error.to_string()))
}

/// Who speaks. The standard variables win, because they are what sets one deployment apart from another.
fn resource(service: &'static str, version: &'static str) -> Resource {
    let instance = KeyValue::new("service.instance.id", Uuid::new_v4().to_string());
    let ours = [KeyValue::new("service.version", version), instance];
    let named = Resource::builder().build().get(&SERVICE_NAME).map(|name| name.to_string());
    let builder = Resource::builder().with_attributes(ours);
    match named {
        Some(name) if !name.starts_with("unknown_service") => builder.build(),
        _ => builder.with_service_name(service).build(),
    }
}
