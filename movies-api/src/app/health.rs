//! `/healthz` says that the process runs; `/readyz` whether it can answer. Neither tells a version.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, StatusCode, header};
use serde::Serialize;
use shared::db;
use shared::http::problem::Problem;

use crate::config::READY_TIMEOUT;
use crate::state::AppState;

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
}

type Answer = ([(HeaderName, &'static str); 1], Json<Health>);

/// Asks nobody, so that an outage of the database never gets this process killed.
pub(super) async fn live() -> Answer {
    healthy("ok")
}

/// Needs a key to check tokens with, and a database that answers in time.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Answer, Problem> {
    let keys = state.gate.keys();
    let has_keys = keys.is_ready();
    let has_database = db::is_reachable(&state.pool, READY_TIMEOUT).await;
    if !has_keys {
        tracing::warn!(keys.reason = keys.reason().unwrap_or_default(), "not ready: no key to check tokens with");
    }
    if !has_database {
        tracing::warn!("not ready: the database does not answer");
    }
    let missing = match (has_keys, has_database) {
        (true, true) => return Ok(healthy("ready")),
        (false, true) => "There is no key to check tokens with.",
        (true, false) => "The database does not answer.",
        (false, false) => "There is no key to check tokens with, and the database does not answer.",
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The service is not ready")
        .detail(missing)
        .retry_after(1))
}

/// No cache may answer in this process's place.
fn healthy(status: &'static str) -> Answer {
    ([(header::CACHE_CONTROL, "no-store")], Json(Health { status }))
}
