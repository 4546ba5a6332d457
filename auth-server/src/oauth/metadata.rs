//! What clients and resource servers discover: the metadata (RFC 8414) and the public keys (RFC 7517).
//!
//! Both are truthful: a grant is listed when some client may use it, and nothing comes from the request's Host header.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use shared::db::DbError;
use shared::token::scope::ScopeSet;
use tower_http::cors::{Any, CorsLayer};

use crate::clients::GrantType;
use crate::routes;
use crate::state::AppState;

/// Rows are asked again after this time, so that a new client's grant is listed soon.
const ROWS_MAX_AGE: TimeDelta = TimeDelta::seconds(5);
/// After this time without an answer the last known rows are served.
const ROWS_PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn router(state: &AppState) -> Router<AppState> {
    // RFC 8414 section 3.1: the well-known path stands between the issuer's host and its path.
    let metadata = format!("{}{}", routes::METADATA, state.config.issuer.path());
    // Public documents: every origin may read them, none with credentials.
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([http::Method::GET]);
    Router::new().route(&metadata, get(show)).route(routes::JWKS, get(jwks)).layer(cors)
}

/// Authorization server metadata (RFC 8414 section 2).
#[derive(Serialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: ScopeList,
    /// Required by the RFC; empty until there is an authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: Vec<GrantType>,
    token_endpoint_auth_methods_supported: [&'static str; 3],
}

#[derive(Serialize)]
#[serde(transparent)]
struct ScopeList(Vec<String>);

async fn show(State(state): State<AppState>) -> Result<Response, MetadataError> {
    let rows = state.metadata.rows(&state).await?;
    let issuer = &state.config.issuer;
    let document = Metadata {
        issuer: issuer.as_str().to_owned(),
        token_endpoint: issuer.endpoint(routes::TOKEN),
        jwks_uri: issuer.endpoint(routes::JWKS),
        scopes_supported: ScopeList(rows.scopes.iter().map(str::to_owned).collect()),
        response_types_supported: [],
        grant_types_supported: rows.grants.clone(),
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    };
    let cache = HeaderValue::from_static("public, max-age=60");
    Ok(([(CACHE_CONTROL, cache)], Json(document)).into_response())
}

async fn jwks(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let document = state.keys.jwks();
    let max_age = format!("public, max-age={}", state.config.jwks_max_age.as_secs());
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == document.etag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"))], document.body.clone()).into_response()
    };
    for (name, value) in [(CACHE_CONTROL, max_age), (ETAG, document.etag.clone())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[derive(Debug)]
struct Rows {
    read_at: DateTime<Utc>,
    scopes: ScopeSet,
    grants: Vec<GrantType>,
}

/// The rows behind the metadata, kept for `ROWS_MAX_AGE`, and longer while the database does not answer.
#[derive(Clone, Default)]
pub struct MetadataCache(Arc<tokio::sync::Mutex<Option<Arc<Rows>>>>);

impl MetadataCache {
    async fn rows(&self, state: &AppState) -> Result<Arc<Rows>, DbError> {
        let now = state.clock.now();
        // Held while asking, so that a crowd asks once.
        let mut kept = self.0.lock().await;
        if let Some(rows) = kept.as_ref().filter(|rows| now - rows.read_at < ROWS_MAX_AGE) {
            return Ok(Arc::clone(rows));
        }
        let patience = if kept.is_some() { ROWS_PATIENCE } else { shared::db::ACQUIRE_TIMEOUT };
        let answer = tokio::time::timeout(patience, read(state, now)).await;
        let answer = answer.unwrap_or(Err(DbError::Unavailable(sqlx::Error::PoolTimedOut)));
        match (answer, kept.as_ref()) {
            (Ok(rows), _) => Ok(Arc::clone(kept.insert(Arc::new(rows)))),
            (Err(error), Some(last)) => {
                tracing::warn!(%error, "metadata is served from the last known rows");
                let last = Rows { read_at: now, scopes: last.scopes.clone(), grants: last.grants.clone() };
                Ok(Arc::clone(kept.insert(Arc::new(last))))
            }
            (Err(error), None) => Err(error),
        }
    }
}

async fn read(state: &AppState, now: DateTime<Utc>) -> Result<Rows, DbError> {
    let scopes = state.resource_servers.all_scopes().await?;
    Ok(Rows { read_at: now, scopes, grants: state.clients.grants_in_use().await? })
}

struct MetadataError(DbError);

impl From<DbError> for MetadataError {
    fn from(error: DbError) -> Self {
        Self(error)
    }
}

impl IntoResponse for MetadataError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "metadata cannot be read");
        let status = match self.0 {
            DbError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            DbError::Other(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        shared::http::layers::ErrorFormat::OAuth.answer(status)
    }
}
