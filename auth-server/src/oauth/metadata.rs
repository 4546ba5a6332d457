//! What clients and resource servers discover: the metadata (RFC 8414) and the public keys (RFC 7517).
//!
//! Both are truthful: a grant is listed when some client may use it, and nothing comes from the request's Host header.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use shared::db::DbError;
use shared::token::dpop;
use shared::token::keys::{Algorithm, Jwks};
use shared::token::scope::ScopeSet;
use tower_http::cors::{Any, CorsLayer};
use utoipa::openapi::{RefOr, Response as Documented, ServerBuilder};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::authorize::PromptNames;
use super::error::{self, TokenError};
use crate::clients::{ALGORITHMS, GrantType};
use crate::config::Issuer;
use crate::pages::LANGUAGES;
use crate::routes;
use crate::state::AppState;

/// Rows are asked again after this time, so that a new client's grant is listed soon.
const ROWS_MAX_AGE: TimeDelta = TimeDelta::seconds(5);
/// After this time without an answer the last known rows are served.
const ROWS_PATIENCE: Duration = Duration::from_millis(500);

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

/// Authorization server metadata (RFC 8414 section 2).
#[derive(Serialize, ToSchema)]
struct Metadata {
    /// `iss` of every token.
    #[schema(example = "http://127.0.0.1:8001")]
    issuer: String,
    /// Where grants become tokens.
    #[schema(example = "http://127.0.0.1:8001/token")]
    token_endpoint: String,
    /// Where tokens end before their time.
    #[schema(example = "http://127.0.0.1:8001/revoke")]
    revocation_endpoint: String,
    /// Where resource servers ask what a token is worth.
    #[schema(example = "http://127.0.0.1:8001/introspect")]
    introspection_endpoint: String,
    /// Where the public keys are.
    #[schema(example = "http://127.0.0.1:8001/.well-known/jwks.json")]
    jwks_uri: String,
    /// Where devices without a browser start to sign in (RFC 8628 section 4).
    #[schema(example = "http://127.0.0.1:8001/device_authorization")]
    device_authorization_endpoint: String,
    /// Where clients send authorization requests before the browser comes (RFC 9126).
    #[schema(example = "http://127.0.0.1:8001/par")]
    pushed_authorization_request_endpoint: String,
    /// Whether every client has to.
    require_pushed_authorization_requests: bool,
    /// Where browsers are sent to sign in.
    #[schema(example = "http://127.0.0.1:8001/authorize")]
    authorization_endpoint: String,
    /// Who an access token with scope `openid` is about.
    #[schema(example = "http://127.0.0.1:8001/userinfo")]
    userinfo_endpoint: String,
    /// Where browsers are sent to sign out.
    #[schema(example = "http://127.0.0.1:8001/logout")]
    end_session_endpoint: String,
    /// Scopes that tokens can have.
    #[schema(value_type = Vec<String>, example = json!(["email", "movies:read", "profile"]))]
    scopes_supported: ScopeList,
    /// What the authorization endpoint answers with.
    #[schema(value_type = Vec<String>, example = json!(["code"]))]
    response_types_supported: [&'static str; 1],
    /// How it answers.
    #[schema(value_type = Vec<String>, example = json!(["query"]))]
    response_modes_supported: [&'static str; 1],
    /// How a code is bound to who asked for it (RFC 7636); required of every client.
    #[schema(value_type = Vec<String>, example = json!(["S256"]))]
    code_challenge_methods_supported: [&'static str; 1],
    /// Every authorization answer says who gave it (RFC 9207).
    authorization_response_iss_parameter_supported: bool,
    /// Values of `prompt`.
    #[schema(value_type = Vec<String>, example = json!(["none", "login", "consent"]))]
    prompt_values_supported: [&'static str; 3],
    /// A user has one `sub` for all clients.
    #[schema(value_type = Vec<String>, example = json!(["public"]))]
    subject_types_supported: [&'static str; 1],
    /// What signs an `id_token`.
    #[schema(value_type = Vec<String>, example = json!(["ES256"]))]
    id_token_signing_alg_values_supported: Vec<Algorithm>,
    /// What is said about a user.
    #[schema(value_type = Vec<String>, example = json!(["sub", "name"]))]
    claims_supported: [&'static str; 12],
    /// The languages of the pages.
    #[schema(value_type = Vec<String>, example = json!(["en"]))]
    ui_locales_supported: [&'static str; 2],
    /// No `claims`.
    claims_parameter_supported: bool,
    /// No request objects.
    request_parameter_supported: bool,
    /// Nor by reference.
    request_uri_parameter_supported: bool,
    /// Grants that some client may use.
    #[schema(value_type = Vec<String>, example = json!(["password"]))]
    grant_types_supported: Vec<GrantType>,
    /// What a DPoP proof may be signed with (RFC 9449 section 5.1).
    #[schema(value_type = Vec<Algorithm>)]
    dpop_signing_alg_values_supported: [Algorithm; 3],
    /// How clients say who they are.
    #[schema(value_type = Vec<String>, example = json!(["client_secret_basic", "private_key_jwt", "none"]))]
    token_endpoint_auth_methods_supported: [&'static str; 4],
    /// What an assertion of `private_key_jwt` may be signed with.
    #[schema(value_type = Vec<String>, example = json!(["ES256", "EdDSA"]))]
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    /// Likewise at the revocation endpoint.
    #[schema(value_type = Vec<String>, example = json!(["client_secret_basic", "private_key_jwt", "none"]))]
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    /// Likewise.
    #[schema(value_type = Vec<String>, example = json!(["ES256", "EdDSA"]))]
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    /// Likewise at the introspection endpoint, where public clients are refused.
    #[schema(value_type = Vec<String>, example = json!(["client_secret_basic", "private_key_jwt"]))]
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    /// Likewise.
    #[schema(value_type = Vec<String>, example = json!(["ES256", "EdDSA"]))]
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
}

/// In `id_token` and at `/userinfo`.
const CLAIMS: [&str; 12] =
    ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "at_hash", "sid", "name", "email", "email_verified"];

/// How clients authenticate.
const METHODS: [&str; 4] = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

#[derive(Serialize)]
#[serde(transparent)]
struct ScopeList(Vec<String>);

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
    let issuer = &state.config.issuer;
    let document = Metadata {
        issuer: issuer.as_str().to_owned(),
        token_endpoint: issuer.endpoint(routes::TOKEN),
        revocation_endpoint: issuer.endpoint(routes::REVOKE),
        introspection_endpoint: issuer.endpoint(routes::INTROSPECT),
        jwks_uri: issuer.endpoint(routes::JWKS),
        device_authorization_endpoint: issuer.endpoint(routes::DEVICE_AUTHORIZATION),
        pushed_authorization_request_endpoint: issuer.endpoint(routes::PAR),
        require_pushed_authorization_requests: state.config.requires_pushed_requests,
        authorization_endpoint: issuer.endpoint(routes::AUTHORIZE),
        userinfo_endpoint: issuer.endpoint(routes::USERINFO),
        end_session_endpoint: issuer.endpoint(routes::LOGOUT),
        scopes_supported: ScopeList(rows.scopes.iter().map(str::to_owned).collect()),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        prompt_values_supported: PromptNames::ALL,
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: state.keys.algorithms(),
        claims_supported: CLAIMS,
        ui_locales_supported: LANGUAGES,
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        grant_types_supported: rows.grants.clone(),
        dpop_signing_alg_values_supported: dpop::ALGORITHMS,
        token_endpoint_auth_methods_supported: METHODS,
        token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        revocation_endpoint_auth_methods_supported: METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        introspection_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    };
    let cache = HeaderValue::from_static("public, max-age=60");
    Ok(([(CACHE_CONTROL, cache)], Json(document)).into_response())
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
