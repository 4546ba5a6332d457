//! A protected route, and the whole of what it answers.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::FromRef;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, Request};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::clock::Clock;
use shared::testing::TestIssuer;
use shared::token::bearer::{Authorized, Gate, Permission};
use shared::token::source::Keys;
use shared::token::verifier::Verifier;
use tower::ServiceExt;
use tracing::subscriber::DefaultGuard;

/// What the code under test logs from now on, on this thread.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps the log until the guard is dropped.
pub fn log() -> (Log, DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let subscriber = lines.with_writer(move || writer.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// The permission that the test route needs.
pub struct MoviesRead;

impl Permission for MoviesRead {
    const SCOPE: &'static str = "movies:read";
}

#[derive(Clone)]
struct State {
    gate: Arc<Gate>,
}

impl FromRef<State> for Arc<Gate> {
    fn from_ref(state: &State) -> Self {
        Self::clone(&state.gate)
    }
}

/// When the tests take place.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A verifier for what the issuer mints, under these keys.
pub fn verifier(issuer: &TestIssuer, keys: &Keys) -> Verifier {
    Verifier::new(issuer.issuer(), issuer.audience(), keys.set())
}

/// `GET /movies`, open to tokens of this issuer under these keys.
pub fn protect(issuer: &TestIssuer, keys: &Keys) -> Router {
    protect_at(issuer, keys, Clock::manual(now()))
}

/// The same with a clock that the test moves.
pub fn protect_at(issuer: &TestIssuer, keys: &Keys, clock: Clock) -> Router {
    routes(Arc::new(Gate::new(verifier(issuer, keys), keys.clone(), "movies", clock)))
}

/// The same behind any gate.
pub fn routes(gate: Arc<Gate>) -> Router {
    Router::new().route("/movies", get(answer).post(answer)).with_state(State { gate })
}

async fn answer(caller: Authorized<MoviesRead>) -> String {
    caller.claims().sub.clone()
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Wire {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Wire {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn challenge(&self) -> Option<&str> {
        self.header(WWW_AUTHENTICATE.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// `GET path` with these `Authorization` headers.
pub async fn send(router: &Router, path: &str, authorization: &[&str]) -> Wire {
    let mut request = Request::get(path);
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    receive(router, request.body(Body::empty()).unwrap()).await
}

pub async fn receive(router: &Router, request: Request<Body>) -> Wire {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Wire { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// `method /movies` with this bearer token.
pub async fn request(router: &Router, method: Method, token: &str) -> Wire {
    let request = Request::builder().method(method).uri("/movies").header(AUTHORIZATION, format!("Bearer {token}"));
    receive(router, request.body(Body::empty()).unwrap()).await
}

/// `GET /movies` with this bearer token.
pub async fn present(router: &Router, token: &str) -> Wire {
    send(router, "/movies", &[&format!("Bearer {token}")]).await
}
