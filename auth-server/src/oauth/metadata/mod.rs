//! What clients and resource servers discover: the metadata (RFC 8414) and the public keys (RFC 7517).
//!
//! Both are truthful: a grant is listed when some client may use it, and nothing comes from the request's Host header.

mod document;
mod rows;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use shared::db::DbError;
use shared::token::keys::Jwks;
use tower_http::cors::{Any, CorsLayer};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented, ServerBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::error::{self, TokenError};
use crate::config::Issuer;
use crate::routes;
use crate::state::AppState;

use document::Metadata;
pub use rows::MetadataCache;

pub(crate) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    // Public documents: every origin may read them, none with credentials.
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([http::Method::GET]);
    OpenApiRouter::new()
        .routes(well_known(routes!(show), &state.config.issuer))
        .routes(routes!(show_openid))
        .routes(routes!(jwks))
        .layer(cors)
}

/// RFC 8414 section 3.1: the well-known path stands between the issuer's host and its path.
fn well_known(route: UtoipaMethodRouter<AppState>, issuer: &Issuer) -> UtoipaMethodRouter<AppState> {
    let (schemas, mut paths, methods) = route;
    let Some(mut item) = paths.paths.remove(routes::METADATA) else { return (schemas, paths, methods) };
    if !issuer.path().is_empty() {
        // The other paths are below the issuer's.
        item.servers = Some(vec![ServerBuilder::new().url("/").build()]);
    }
    paths.paths.insert(format!("{}{}", routes::METADATA, issuer.path()), item);
    (schemas, paths, methods)
}

/// Where everything is, and what this server can do
///
/// Authorization server metadata (RFC 8414). Any page may read it.
#[utoipa::path(
    get,
    path = routes::METADATA,
    operation_id = "metadata",
    tag = "Discovery",
    responses(
        (status = 200, description = "The metadata.", body = Metadata,
            headers(("Cache-Control" = String, description = "How long it may be kept."))),
        Unreadable,
    )
)]
async fn show(State(state): State<AppState>) -> Result<Response, MetadataError> {
    document(&state).await
}

/// The same where OpenID Connect clients look for it
///
/// OpenID Connect discovery section 4. Any page may read it.
#[utoipa::path(
    get,
    path = routes::OPENID_CONFIGURATION,
    operation_id = "openid_configuration",
    tag = "Discovery",
    responses(
        (status = 200, description = "The metadata.", body = Metadata,
            headers(("Cache-Control" = String, description = "How long it may be kept."))),
        Unreadable,
    )
)]
async fn show_openid(State(state): State<AppState>) -> Result<Response, MetadataError> {
    document(&state).await
}

async fn document(state: &AppState) -> Result<Response, MetadataError> {
    let rows = state.metadata.rows(state).await?;
    let cache = HeaderValue::from_static("public, max-age=60");
    Ok(([(CACHE_CONTROL, cache)], Json(Metadata::of(state, &rows))).into_response())
}

/// The public keys
///
/// A JWK Set (RFC 7517 section 5) with every key that signs, will sign, or signed a token that still lives.
#[utoipa::path(
    get,
    path = routes::JWKS,
    tag = "Discovery",
    params(("If-None-Match" = Option<String>, Header, description = "An `ETag` that was seen before.")),
    responses(
        (status = 200, description = "The keys.", body = Jwks, content_type = "application/jwk-set+json",
            headers(
                ("ETag" = String, description = "Changes with the keys."),
                ("Cache-Control" = String, description = "How long the keys may be kept."),
            )),
        (status = 304, description = "The same keys as before."),
    )
)]
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

struct MetadataError(DbError);

/// The answers without rows, for the documentation.
struct Unreadable;

impl IntoResponses for Unreadable {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        error::documented(&[TokenError::Database(DbError::Unavailable(sqlx::Error::PoolTimedOut))]).into_responses()
    }
}

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
