//! What a process tells Prometheus, on a listener of its own: nothing on the service's address answers `/metrics`.
//!
//! 1. Counters and histograms are kept where things happen ([`answered`], [`refused`], `token_checked`); until
//!    [`install`] was called that costs next to nothing.
//! 2. Gauges are read when Prometheus asks: [`Exporter::serve`] calls a function of the service, which sets them.
//! 3. Labels have few values, all of them ours: routes as they are written in the code, known methods, statuses, and codes
//!    of refusals. Whatever a client can choose (paths, client ids, users) is no label, so that nobody can fill the memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::MatchedPath;
use axum::routing::get;
use http::{Method, StatusCode, header};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::db::Pool;
use crate::http::serve::{self, ServeOptions};
use crate::telemetry;
use crate::token::bearer::Gate;
use crate::token::revocations::Freshness;

/// Where the numbers are, on their own listener.
pub const PATH: &str = "/metrics";

/// Bounds of the histogram of durations, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// How often what histograms were told is summed up, so that it takes little memory also while nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

const REQUESTS: &str = "myapi_http_requests_total";
const DURATION: &str = "myapi_http_request_duration_seconds";
const REFUSED: &str = "myapi_refused_total";
const TOKEN_CHECKS: &str = "myapi_token_checks_total";
const POOL: &str = "myapi_database_connections";
const POOL_MAX: &str = "myapi_database_connections_max";
const KEYS_AGE: &str = "myapi_keys_age_seconds";
const REVOCATIONS_AGE: &str = "myapi_revocations_age_seconds";
const REVOCATIONS_STALE: &str = "myapi_revocations_stale";
const PASSED_WHILE_STALE: &str = "myapi_revocations_passed_while_stale_total";
const LOG_DROPPED: &str = "myapi_log_lines_dropped_total";
/// What waits for a hash and what is being hashed, by `state`.
pub const PASSWORD_LANE: &str = "myapi_password_lane";
/// Hashes begun.
pub const PASSWORD_BEGUN: &str = "myapi_password_hashes_total";
/// Hashes whose client had gone.
pub const PASSWORD_ABANDONED: &str = "myapi_password_abandoned_total";

/// Every metric with its kind and what it tells; the README and the dashboard are held to this list.
pub const METRICS: [(&str, &str, &str); 14] = [
    (REQUESTS, "counter", "Requests answered, by route, method and status."),
    (DURATION, "histogram", "Seconds until the answer was begun, by route."),
    (REFUSED, "counter", "Requests refused, by the code of their answer."),
    (TOKEN_CHECKS, "counter", "Access tokens checked: known from before (cached), verified, or refused."),
    (POOL, "gauge", "Connections to the database: idle or used."),
    (POOL_MAX, "gauge", "The most connections that the pool opens."),
    (KEYS_AGE, "gauge", "Seconds since the public keys were read from their source."),
    (REVOCATIONS_AGE, "gauge", "Seconds since the feed of revocations was read."),
    (REVOCATIONS_STALE, "gauge", "1 while it is not known what was revoked lately."),
    (PASSED_WHILE_STALE, "counter", "Requests that went on all the same."),
    (LOG_DROPPED, "counter", "Log lines dropped because nobody read them in time."),
    (PASSWORD_LANE, "gauge", "Hashes of passwords: waiting or running."),
    (PASSWORD_BEGUN, "counter", "Hashes of passwords begun."),
    (PASSWORD_ABANDONED, "counter", "Hashes not begun because whoever asked had gone."),
];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
/// Read at each request, before any label is made.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Begins to count in this process; a second call gives the same exporter.
///
/// # Errors
/// When the bounds of the histogram are none; they are constants.
pub fn install() -> Result<Exporter, BuildError> {
    if let Some(handle) = HANDLE.get() {
        return Ok(Exporter(handle.clone()));
    }
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
    let handle = recorder.handle();
    // Of two at once the first one counts.
    if metrics::set_global_recorder(recorder).is_ok() {
        drop(HANDLE.set(handle.clone()));
    }
    for (name, kind, text) in METRICS {
        match kind {
            "gauge" => describe_gauge!(name, text),
            "histogram" => describe_histogram!(name, Unit::Seconds, text),
            _ => describe_counter!(name, text),
        }
    }
    IS_ON.store(true, Ordering::Relaxed);
    Ok(Exporter(HANDLE.get().cloned().unwrap_or(handle)))
}

/// Writes down what was counted.
#[derive(Clone)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// The text of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        read_total(LOG_DROPPED, telemetry::dropped_lines());
        self.0.render()
    }

    /// Answers `GET /metrics` on `listener` for as long as it is polled; `read_gauges` is called before each answer.
    pub async fn serve(self, listener: TcpListener, read_gauges: impl Fn() + Clone + Send + Sync + 'static) {
        let upkeep = self.0.clone();
        let page = move || {
            read_gauges();
            let text = self.render();
            async move {
                let plain = "text/plain; version=0.0.4; charset=utf-8";
                ([(header::CONTENT_TYPE, plain), (header::CACHE_CONTROL, "no-store")], text)
            }
        };
        let tidy = async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        };
        let app = Router::new().route(PATH, get(page));
        tokio::select! {
            () = serve::serve(listener, app, ServeOptions::default(), std::future::pending()) => (),
            () = tidy => (),
        }
    }
}

/// One request was answered; `route` as the router has it, `None` where no route fits.
pub fn answered(route: Option<&MatchedPath>, method: &'static str, status: StatusCode, took: Duration) {
    if !IS_ON.load(Ordering::Relaxed) {
        return;
    }
    let route = route.map_or("(none)", MatchedPath::as_str).to_owned();
    histogram!(DURATION, "route" => route.clone()).record(took.as_secs_f64());
    counter!(REQUESTS, "route" => route, "method" => method, "status" => status.as_str().to_owned()).increment(1);
}

/// A method's name, if it is one that routes have.
#[must_use]
pub fn method_label(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    const NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.iter().zip(NAMES).find(|(known, _)| *known == method).map_or("other", |(_, name)| name)
}

/// A request was refused with this code.
pub fn refused(code: &'static str) {
    if IS_ON.load(Ordering::Relaxed) {
        counter!(REFUSED, "code" => code).increment(1);
    }
}

/// An access token was looked at: `cached`, `verified` or `refused`.
pub(crate) fn token_checked(result: &'static str) {
    if IS_ON.load(Ordering::Relaxed) {
        counter!(TOKEN_CHECKS, "result" => result).increment(1);
    }
}

/// Reads how many connections the pool has.
pub fn read_pool(pool: &Pool) {
    let (open, idle) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(u32::MAX));
    gauge!(POOL, "state" => "idle").set(idle);
    gauge!(POOL, "state" => "used").set(open.saturating_sub(idle));
    gauge!(POOL_MAX).set(pool.options().get_max_connections());
}

/// Reads how old keys and revocations are that tokens are checked with.
pub fn read_gate(gate: &Gate) {
    if let Some(age) = gate.keys().age() {
        gauge!(KEYS_AGE).set(age.as_secs_f64());
    }
    let (is_stale, age) = match gate.revocations().freshness() {
        Freshness::Off => return,
        Freshness::Fresh(age) => (false, Some(age)),
        Freshness::Stale(age) => (true, age),
    };
    gauge!(REVOCATIONS_STALE).set(if is_stale { 1.0 } else { 0.0 });
    if let Some(age) = age {
        gauge!(REVOCATIONS_AGE).set(age.as_secs_f64());
    }
    read_total(PASSED_WHILE_STALE, gate.passed_while_stale());
}

/// A total that is counted elsewhere.
pub fn read_total(name: &'static str, total: u64) {
    counter!(name).absolute(total);
}

/// A gauge with its one label.
pub fn read_state(name: &'static str, state: &'static str, count: usize) {
    gauge!(name, "state" => state).set(u32::try_from(count).unwrap_or(u32::MAX));
}
