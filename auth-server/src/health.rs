//! Liveness and readiness. Neither tells versions or reasons to strangers; the log has the reason.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use shared::db;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::routes;
use crate::state::AppState;

const DATABASE_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

/// How this process is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`, `ready` or `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
    /// What is missing, where something is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting_for: Vec<&'static str>,
}

impl Health {
    const fn is(status: &'static str) -> Self {
        Self { status, waiting_for: Vec::new() }
    }
}

/// Does the process live?
///
/// Asks nobody: an outage of the database is no reason to kill it.
#[utoipa::path(get, path = routes::HEALTH, tag = "Health", responses((status = 200, description = "It lives.", body = Health)))]
async fn health() -> Json<Health> {
    Json(Health::is("ok"))
}

/// Would requests be answered?
#[utoipa::path(
    get,
    path = routes::READY,
    tag = "Health",
    responses(
        (status = 200, description = "They would.", body = Health, example = json!({ "status": "ready" })),
        (status = 503, description = "The database does not answer.", body = Health,
            example = json!({ "status": "unavailable", "waiting_for": ["database"] })),
    )
)]
async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    // The signing keys are loaded before the listener opens, so only the database can be missing.
    if db::is_reachable(&state.pool, DATABASE_PATIENCE).await {
        return (StatusCode::OK, Json(Health::is("ready")));
    }
    tracing::warn!("not ready: the database does not answer");
    (StatusCode::SERVICE_UNAVAILABLE, Json(Health { waiting_for: vec!["database"], ..Health::is("unavailable") }))
}
