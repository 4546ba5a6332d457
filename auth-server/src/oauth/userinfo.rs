//! Who an access token is about (OpenID Connect core section 5.3).
//!
//! 1. The token is one of ours with scope `openid`, for whichever resource server: clients do not get another one for
//!    this. Its signature and times are checked by the same code as at any resource server.
//!    One that is bound to a key comes with a proof of it (RFC 9449 section 7), here as there.
//! 2. Whether it, its session, user, client or key was revoked is asked here and now; so is whether the user is the one of
//!    the token's version.
//! 3. What the scope allows is answered as it is today, not as it was at the login.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method};
use serde::Serialize;
use shared::db::DbError;
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Denied, Permission};
use shared::token::claims::AccessClaims;
use shared::token::dpop::PROOF;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::{RefOr, Response as Documented};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;
use uuid::Uuid;

use super::scope::OPENID;
use crate::clients::{ClientError, ClientId};
use crate::revocations::{self, TokenIds};
use crate::routes;
use crate::state::AppState;
use crate::users::User;
use crate::web::error::method_not_allowed;

pub(crate) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    let origins = state.config.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    // Never with credentials: no cookie means anything here.
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, HeaderName::from_static(PROOF)])
        .expose_headers([WWW_AUTHENTICATE]);
    // A fallback of its own, so that a page's preflight meets the layer before it is a method that is not there.
    let routes = routes!(userinfo, userinfo_by_post).map(|methods| methods.fallback(method_not_allowed));
    OpenApiRouter::new().routes(routes).layer(cors)
}

/// The scope that opens this route.
pub(crate) struct OpenId;

impl Permission for OpenId {
    const SCOPE: &'static str = OPENID;
}

/// What is said about a user.
#[derive(Serialize, ToSchema)]
struct UserInfo {
    /// The user's id, as in every token.
    #[schema(value_type = String, example = "f3e86276-7b30-4510-8d40-689dd3c3bb7d")]
    sub: Uuid,
    /// With scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ann Example")]
    name: Option<String>,
    /// With scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ann@example.com")]
    email: Option<String>,
    /// With scope `email`: whether somebody has shown that mail arrives there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email_verified: Option<bool>,
}

/// Why nothing is said.
enum UserInfoError {
    Denied(Denied),
    Database(DbError),
}

/// Who the token is about
///
/// OpenID Connect core section 5.3; the token needs scope `openid`.
#[utoipa::path(
    get,
    path = routes::USERINFO,
    tag = "Signing in",
    security(("login" = ["openid"])),
    responses((status = 200, description = "Who it is.", body = UserInfo), UserInfoError)
)]
async fn userinfo(caller: Authorized<OpenId>, State(state): State<AppState>) -> Result<Response, UserInfoError> {
    answer(&state, caller.claims()).await
}

/// The same by POST
///
/// OpenID Connect core section 5.3.1; the token is in `Authorization` here too.
#[utoipa::path(
    post,
    path = routes::USERINFO,
    operation_id = "userinfo_by_post",
    tag = "Signing in",
    security(("login" = ["openid"])),
    responses((status = 200, description = "Who it is.", body = UserInfo), UserInfoError)
)]
async fn userinfo_by_post(
    caller: Authorized<OpenId>,
    State(state): State<AppState>,
) -> Result<Response, UserInfoError> {
    answer(&state, caller.claims()).await
}

async fn answer(state: &AppState, claims: &AccessClaims) -> Result<Response, UserInfoError> {
    let now = state.clock.now();
    let refuse = |reason| UserInfoError::Denied(state.gate.refuse(claims, reason));
    let user = find_user(state, claims, now).await?.ok_or_else(|| refuse("revoked"))?;
    let has = |scope: &str| claims.scope.contains(scope);
    let info = UserInfo {
        sub: user.sub,
        name: user.name.filter(|_| has("profile")),
        email_verified: has("email").then_some(user.email_verified),
        email: has("email").then_some(user.email),
    };
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(info)).into_response())
}

/// The user of a token that is not revoked.
async fn find_user(state: &AppState, claims: &AccessClaims, now: DateTime<Utc>) -> Result<Option<User>, UserInfoError> {
    let (Ok(sub), Ok(client_id)) = (claims.sub.parse::<Uuid>(), claims.client_id.parse::<ClientId>()) else {
        return Ok(None);
    };
    let client = match state.clients.get(&client_id).await {
        Ok(client) => client,
        Err(ClientError::Internal(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    if client.disabled_at.is_some() || claims.cver != Some(client.client_version) {
        return Ok(None);
    }
    let mut conn = state.relay.acquire().await?;
    let ids = TokenIds {
        jti: &claims.jti,
        sid: claims.sid.as_deref(),
        sub: &claims.sub,
        ver: claims.ver,
        client_id: &claims.client_id,
        cver: claims.cver,
        // A key that was taken back verifies nothing here any more.
        kid: "",
    };
    if revocations::is_revoked(&mut conn, &ids, now).await? {
        return Ok(None);
    }
    let user = state.users.find_in(&mut conn, sub).await?;
    conn.hand_on();
    Ok(user.filter(|user| user.is_active() && claims.ver == Some(user.token_version)))
}

impl From<DbError> for UserInfoError {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

impl UserInfoError {
    const fn problem(error: &DbError) -> Problem {
        match error {
            DbError::Unavailable(_) => Problem::unavailable(),
            DbError::Other(_) => Problem::internal(),
        }
    }
}

impl IntoResponse for UserInfoError {
    fn into_response(self) -> Response {
        match self {
            Self::Denied(denied) => denied.into_response(),
            Self::Database(error) => {
                tracing::error!(%error, "userinfo cannot be read");
                Self::problem(&error).into_response()
            }
        }
    }
}

impl IntoResponses for UserInfoError {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Documented>> {
        let answers = Authorized::<OpenId>::documented("auth-server");
        answers.problem(&Problem::internal()).problem(&Problem::unavailable()).into_responses()
    }
}
