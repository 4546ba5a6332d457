//! `/healthz` says that the process runs; `/readyz` whether it can answer. Neither tells a version.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::{HeaderName, StatusCode, header};
use serde::Serialize;
use shared::db;
use shared::http::docs::Answers;
use shared::http::problem::Problem;
use shared::token::revocations::Freshness;
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, ToSchema};

use crate::config::READY_TIMEOUT;
use crate::routes;
use crate::state::AppState;

/// How this process is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok` or `ready`.
    status: &'static str,
    /// Seconds since the keys were read from their source; grows while that cannot be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_age: Option<u64>,
    /// Whether it is known what was revoked: `fresh`, `stale`, or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<&'static str>,
    /// Seconds since the feed of revocations was read; grows while that cannot be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations_age: Option<u64>,
}

type Answer = ([(HeaderName, &'static str); 1], Json<Health>);

/// Does the process live?
///
/// Asks nobody, so that an outage of the database never gets this process killed.
#[utoipa::path(
    get,
    path = routes::HEALTH,
    tag = "Health",
    responses((status = 200, description = "It lives.", body = Health, example = json!({ "status": "ok" })))
)]
pub(super) async fn live() -> Answer {
    healthy(Health { status: "ok", keys_age: None, revocations: None, revocations_age: None })
}

/// Would requests be answered?
///
/// That needs a key to check tokens with, wherever it was read, and a database that answers in time. Where it is not known
/// what was revoked lately, `revocations` is `stale`: reads go on, writes are refused.
#[utoipa::path(
    get,
    path = routes::READY,
    tag = "Health",
    responses(
        (status = 200, description = "They would.", body = Health, 
            example = json!({ "status": "ready", "keys_age": 42, "revocations": "fresh", "revocations_age": 0 })),
        NotReady,
    )
)]
pub(super) async fn ready(State(state): State<AppState>) -> Result<Answer, Problem> {
    let keys = state.gate.keys();
    let has_keys = keys.is_ready();
    let has_database = db::is_reachable(state.relay.pool(), READY_TIMEOUT).await;
    if !has_keys {
        tracing::warn!(keys.reason = keys.reason().unwrap_or_default(), "not ready: no key to check tokens with");
    }
    if !has_database {
        tracing::warn!("not ready: the database does not answer");
    }
    Err(not_ready(match (has_keys, has_database) {
        (true, true) => {
            let keys_age = keys.age().map(|age| age.as_secs());
            let (state, age) = revocations(state.gate.revocations().freshness());
            return Ok(healthy(Health { status: "ready", keys_age, revocations: Some(state), revocations_age: age }));
        }
        (false, true) => "There is no key to check tokens with.",
        (true, false) => "The database does not answer.",
        (false, false) => "There is no key to check tokens with, and the database does not answer.",
    }))
}

/// As operators read it.
fn revocations(freshness: Freshness) -> (&'static str, Option<u64>) {
    match freshness {
        Freshness::Off => ("off", None),
        Freshness::Fresh(age) => ("fresh", Some(age.as_secs())),
        Freshness::Stale(age) => ("stale", age.map(|age| age.as_secs())),
    }
}

fn not_ready(missing: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The service is not ready")
        .detail(missing)
        .retry_after(1)
}

/// The other answer of `/readyz`, for the documentation.
pub(super) struct NotReady;

impl IntoResponses for NotReady {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        Answers::problems().problem(&not_ready("The database does not answer.")).into_responses()
    }
}

/// No cache may answer in this process's place.
fn healthy(health: Health) -> Answer {
    ([(header::CACHE_CONTROL, "no-store")], Json(health))
}
