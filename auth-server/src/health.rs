//! Liveness and readiness. Neither tells versions or reasons to strangers; the log has the reason.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use shared::db;

use crate::routes;
use crate::state::AppState;

const DATABASE_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn router() -> Router<AppState> {
    Router::new().route(routes::HEALTH, get(health)).route(routes::READY, get(ready))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The signing keys are loaded before the listener opens, so only the database can be missing.
async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    if db::is_reachable(&state.pool, DATABASE_PATIENCE).await {
        return (StatusCode::OK, Json(json!({ "status": "ready" })));
    }
    tracing::warn!("not ready: the database does not answer");
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unavailable", "waiting_for": ["database"] })))
}
