//! Reports of resource servers that share no database with us: which keys a process holds, so that a new key signs only
//! when everyone has it (gated rotation).
//!
//! 1. Only a confidential client that serves a resource server may report, by HTTP Basic: the body is JSON.
//! 2. The report is kept under the client's name, by the rules of those that come by the database: at most 1,000
//!    processes; 90 s of silence and a process is not waited for, unless it reads its keys from a file.
//! 3. A process belongs to the client that reported it first.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde::Deserialize;
use shared::db::DbError;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::{ReportErrors, TokenError};
use crate::clients::ClientKind;
use crate::limits::Origin;
use crate::resource_servers::{self, NewReport, ReportError, Source};
use crate::routes;
use crate::state::AppState;
use crate::web::client_ip::client_ip;
use crate::web::error::{forbid_caching, only};
use crate::web::{client_auth, form};

/// What the body holds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Report {
    /// The process: a UUID that it makes at its start.
    #[schema(value_type = String, example = "6f1b2c7e-0a54-4d7c-9a51-1f4f6f0e8f11")]
    instance: Uuid,
    /// The kids that it accepts, at most 100.
    #[schema(example = json!(["Vsl2P7hQ0WZ1ZJ0o9j8m5m5gQkq0yq3w8kT0cXzXx9A"]))]
    kids: Vec<String>,
    /// How far it has read the revocation feed; 0 where it does not.
    #[schema(minimum = 0)]
    feed_seq: i64,
    /// `url` where it follows new keys by itself; `file` where somebody has to change one.
    source: KeysFrom,
}

/// How a process gets keys.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KeysFrom {
    Url,
    File,
}

impl From<Report> for NewReport {
    fn from(Report { instance, kids, feed_seq, source }: Report) -> Self {
        let source = match source {
            KeysFrom::Url => Source::Url,
            KeysFrom::File => Source::File,
        };
        Self { instance, kids, feed_seq, source }
    }
}

const MEDIA_TYPE: &str = "application/json";

pub(crate) fn router() -> OpenApiRouter<AppState> {
    let report = routes!(report).map(|methods| methods.fallback(|| async { only(&Method::POST) }));
    OpenApiRouter::new().routes(report)
}

/// Takes the report of a resource server's process
///
/// For resource servers without this server's database, every 30 s and whenever their keys change.
#[utoipa::path(
    post,
    path = routes::RESOURCE_SERVER_REPORT,
    tag = "Discovery",
    security(("secret" = [])),
    request_body(content = inline(Report), content_type = "application/json"),
    responses(
        (status = 204, description = "It is kept.",
            headers(("Cache-Control" = String, description = "Always `no-store`."))),
        ReportErrors,
    )
)]
async fn report(State(state): State<AppState>, request: Request<Body>) -> Result<Response, TokenError> {
    let (parts, body) = request.into_parts();
    let ip = client_ip(&parts.extensions, &parts.headers, &state.config.trusted_proxies);
    let nothing = client_auth::Posted::default();
    let presented = client_auth::presented(authorization(&parts.headers)?, nothing)?.ok_or(TokenError::NoClient)?;
    let client = state.logins.authenticate_client(&presented, &Origin::new(ip, None)).await?;
    if client.kind == ClientKind::Public || client.serves.is_none() {
        return Err(TokenError::MayNotReport);
    }
    if !is_json(&parts.headers) {
        return Err(TokenError::Report);
    }
    let body = form::read_body(&parts.headers, body).await?;
    let report: Report = serde_json::from_slice(&body).map_err(|_| TokenError::Report)?;
    let mut conn = state.pool.acquire().await.map_err(DbError::from)?;
    resource_servers::report(&mut conn, &client.client_id, &report.into()).await.map_err(|error| match error {
        ReportError::Invalid => TokenError::Report,
        ReportError::OthersProcess => TokenError::OthersProcess,
        ReportError::Database(error) => TokenError::Database(error),
    })?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    forbid_caching(response.headers_mut());
    Ok(response)
}

/// The one `Authorization` header, if there is one.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, TokenError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| TokenError::Authorization),
        (Some(_), Some(_)) => Err(TokenError::Authorization),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}
