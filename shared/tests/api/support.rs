//! A protected route, and the whole of what it answers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::FromRef;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Request};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::clock::Clock;
use shared::testing::TestIssuer;
use shared::token::bearer::{Authorized, Gate, Permission};
use shared::token::source::Keys;
use shared::token::verifier::Verifier;
use tower::ServiceExt;

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
    let gate = Arc::new(Gate::new(verifier(issuer, keys), keys.clone(), "movies", clock));
    Router::new().route("/movies", get(answer)).with_state(State { gate })
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
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Wire { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// `GET /movies` with this bearer token.
pub async fn present(router: &Router, token: &str) -> Wire {
    send(router, "/movies", &[&format!("Bearer {token}")]).await
}
