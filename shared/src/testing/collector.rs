//! A collector on loopback that takes traces as OTLP by HTTP, and keeps them for the test to look at. It has a thread of its
//! own: a test that waits for the end of a process holds up its own runtime, and what is sent at the end would not be taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const BROKEN: &str = "a test fixture is broken";
/// A sanity bound: nothing that is waited for here takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One span as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `service.name` of whoever sent it.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// The span itself.
    pub id: String,
    /// The span above it; empty for the first.
    pub parent: String,
    /// True for spans of kind server.
    pub is_server: bool,
    /// True where the status is error.
    pub is_error: bool,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
}

/// The collector; it ends when it is dropped.
pub struct Collector {
    endpoint: String,
    house: House,
    /// Ends when it is dropped, on a thread that may wait for it.
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct House {
    spans: Arc<watch::Sender<Vec<Received>>>,
    headers: Arc<watch::Sender<HeaderMap>>,
}

impl Collector {
    /// Listens on a free port of loopback.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect(BROKEN);
        listener.set_nonblocking(true).expect(BROKEN);
        let endpoint = format!("http://{}", listener.local_addr().expect(BROKEN));
        let house = House { spans: Arc::default(), headers: Arc::default() };
        let app = Router::new().route("/v1/traces", post(take)).with_state(house.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect(BROKEN);
        runtime.spawn(async move { axum::serve(TcpListener::from_std(listener).expect(BROKEN), app).await });
        Self { endpoint, house, runtime: Some(runtime) }
    }

    /// What `MYAPI_OTLP__ENDPOINT` is set to.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The headers of the last batch.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        self.house.headers.borrow().clone()
    }

    /// All that has arrived.
    #[must_use]
    pub fn spans(&self) -> Vec<Received> {
        self.house.spans.borrow().clone()
    }

    /// Waits for a span that fits.
    #[expect(clippy::panic, reason = "a test that waits in vain fails, and says what came instead")]
    pub async fn span(&self, fits: impl Fn(&Received) -> bool) -> Received {
        let mut spans = self.house.spans.subscribe();
        let arrived = spans.wait_for(|spans| spans.iter().any(&fits));
        match tokio::time::timeout(PATIENCE, arrived).await {
            Ok(Ok(spans)) => spans.iter().find(|span| fits(span)).cloned().expect(BROKEN),
            _ => panic!("no such span among {:#?}", self.spans()),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn take(State(house): State<House>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    house.headers.send_replace(headers);
    house.spans.send_modify(|spans| spans.extend(read(request)));
    StatusCode::OK
}

fn read(request: ExportTraceServiceRequest) -> Vec<Received> {
    let mut received = Vec::new();
    for group in request.resource_spans {
        let of = texts(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        let service = of.get("service.name").cloned().unwrap_or_default();
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.push(Received {
                service: service.clone(),
                is_server: span.kind == SpanKind::Server as i32,
                is_error: span.status.is_some_and(|status| status.code == SpanStatus::Error as i32),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: texts(span.attributes),
            });
        }
    }
    received
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
