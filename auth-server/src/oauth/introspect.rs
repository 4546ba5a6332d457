//! Token introspection (RFC 7662), for resource servers that want to know more than a signature says.
//!
//! 1. Only a confidential client may ask, and learns about its own tokens and those for the audience that it serves.
//! 2. An access token is active when we signed it, it has not expired, neither it nor its session, user, client or key
//!    was revoked, and its user and client are still who they were. This is asked of the database, on any replica.
//! 3. A refresh token is active for its own client, while it is the one to use next.
//! 4. Everything else is `{"active":false}` and nothing more: whoever scans learns nothing.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{Method, Request};
use serde::{Deserialize, Serialize};
use shared::db::{Conn, DbError};
use shared::token::claims::{Audience, Confirmation};
use shared::token::scope::ScopeSet;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;
use uuid::Uuid;

use super::dpop;
use super::error::{ClientErrors, TokenError};
use super::own_tokens::OwnToken;
use super::request::ProtocolForm;
use crate::clients::{Client, ClientKind};
use crate::revocations::{self, TokenIds};
use crate::routes;
use crate::state::AppState;
use crate::tokens::RefreshToken;
use crate::web::error::{forbid_caching, only};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    let introspect = routes!(introspect).map(|methods| methods.fallback(|| async { only(&Method::POST) }));
    OpenApiRouter::new().routes(introspect)
}

/// What the form holds, for the documentation.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the form is read by name")]
struct IntrospectionForm {
    /// A refresh token or an access token of this server.
    #[schema(example = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJ….c2ln…")]
    token: String,
    /// `access_token` or `refresh_token`; a wrong hint does no harm.
    token_type_hint: Option<String>,
    /// Who asks, where no HTTP Basic credentials say so.
    client_id: Option<String>,
    /// The client's secret, where HTTP Basic credentials have none.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, beside `client_assertion`.
    client_assertion_type: Option<String>,
    /// What a client of `private_key_jwt` signed (RFC 7523), in place of a secret.
    client_assertion: Option<String>,
}

/// What is known of a token (RFC 7662 section 2.2). An inactive one has `active` alone.
#[derive(Serialize, ToSchema)]
struct Introspection {
    /// Whether the token is good now.
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(inline, value_type = ActiveToken)]
    token: Option<ActiveToken>,
}

/// The members of an active token. None of them is there for another one, so the document requires none.
#[derive(Serialize, ToSchema)]
struct ActiveToken {
    /// What it allows, separated by spaces.
    #[schema(value_type = String, required = false, example = "movies:read")]
    scope: ScopeSet,
    /// Whose token it is.
    #[schema(required = false)]
    client_id: String,
    /// The user's UUID, or a client's own subject.
    #[schema(required = false)]
    sub: String,
    /// When it was issued, in seconds since 1970.
    #[schema(required = false)]
    iat: i64,
    /// When it ends.
    #[schema(required = false)]
    exp: i64,
    /// This server.
    #[schema(required = false)]
    iss: String,
    /// The resource server that it is for.
    #[schema(value_type = String, required = false)]
    aud: Audience,
    /// The login that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// `Bearer` or `DPoP` for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// An access token's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// The key that a token is bound to (RFC 9449 section 6.2), as its thumbprint `jkt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    cnf: Option<Confirmation>,
}

/// Tells what a token is worth now
///
/// RFC 7662, for confidential clients: about their own tokens and those for the resource server that they serve.
#[utoipa::path(
    post,
    path = routes::INTROSPECT,
    tag = "Tokens",
    security(("secret" = [])),
    request_body(content = inline(IntrospectionForm), content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What is known.", body = Introspection,
            headers(("Cache-Control" = String, description = "Always `no-store`."))),
        ClientErrors,
    )
)]
async fn introspect(State(state): State<AppState>, request: Request<Body>) -> Result<Response, TokenError> {
    let form = ProtocolForm::read(&state, request).await?;
    let client = form.client(&state).await?;
    if client.kind == ClientKind::Public {
        return Err(TokenError::MayNotIntrospect);
    }
    let token = form.required("token")?;
    let now = state.clock.now();
    let token = match RefreshToken::parse(&token) {
        Ok(token) => refresh_token(&state, &client, &token, now).await?,
        Err(_) => match state.own_tokens.verify(&token, now) {
            Some(token) => access_token(&state, &client, token, now).await?,
            None => None,
        },
    };
    let mut response = Json(Introspection { active: token.is_some(), token }).into_response();
    forbid_caching(response.headers_mut());
    Ok(response)
}

async fn access_token(
    state: &AppState,
    caller: &Client,
    token: OwnToken,
    now: DateTime<Utc>,
) -> Result<Option<ActiveToken>, TokenError> {
    let is_served = caller.serves.as_deref().is_some_and(|audience| token.audience().contains(audience));
    if token.claims.client_id != caller.client_id.as_str() && !is_served {
        return Ok(None);
    }
    let mut conn = state.relay.acquire().await?;
    let is_dead = is_dead(state, &mut conn, &token, now).await?;
    conn.hand_on();
    if is_dead {
        return Ok(None);
    }
    let claims = token.claims.as_ref().clone();
    Ok(Some(ActiveToken {
        scope: claims.scope,
        client_id: claims.client_id,
        sub: claims.sub,
        iat: claims.iat,
        exp: claims.exp,
        iss: claims.iss,
        aud: claims.aud,
        sid: claims.sid,
        token_type: Some(dpop::token_type(claims.cnf.is_some())),
        jti: Some(claims.jti),
        cnf: claims.cnf,
    }))
}

/// Revoked, or its user or client is not any more who they were.
async fn is_dead(state: &AppState, conn: &mut Conn, token: &OwnToken, now: DateTime<Utc>) -> Result<bool, DbError> {
    let claims = &token.claims;
    let ids = TokenIds {
        jti: &claims.jti,
        sid: claims.sid.as_deref(),
        sub: &claims.sub,
        ver: claims.ver,
        client_id: &claims.client_id,
        cver: claims.cver,
        kid: &token.kid,
    };
    if revocations::is_revoked(conn, &ids, now).await? {
        return Ok(true);
    }
    let client = match claims.client_id.parse() {
        Ok(client_id) => state.clients.find_in(conn, &client_id).await?,
        Err(_) => None,
    };
    let Some(client) = client.filter(|client| client.disabled_at.is_none()) else { return Ok(true) };
    if claims.cver != Some(client.client_version) {
        return Ok(true);
    }
    let Ok(sub) = Uuid::parse_str(&claims.sub) else { return Ok(claims.sub != client.subject()) };
    let user = state.users.find_in(conn, sub).await?;
    Ok(!user.is_some_and(|user| user.is_active() && claims.ver == Some(user.token_version)))
}

async fn refresh_token(
    state: &AppState,
    caller: &Client,
    token: &RefreshToken,
    now: DateTime<Utc>,
) -> Result<Option<ActiveToken>, TokenError> {
    let mut conn = state.relay.acquire().await?;
    let Some(family) = state.tokens.find_alive(&mut conn, token, now).await? else { return Ok(None) };
    if family.client_id != caller.client_id || family.client_version != caller.client_version {
        return Ok(None);
    }
    let user = state.users.find_in(&mut conn, family.sub).await?;
    conn.hand_on();
    if !user.is_some_and(|user| user.is_active() && user.token_version == family.user_version) {
        return Ok(None);
    }
    Ok(Some(ActiveToken {
        scope: family.scope,
        client_id: family.client_id.to_string(),
        sub: family.sub.to_string(),
        iat: family.created_at.timestamp(),
        exp: token.expires_at().timestamp(),
        iss: state.config.issuer.as_str().to_owned(),
        aud: family.audience.into(),
        sid: Some(family.family_id.to_string()),
        token_type: None,
        jti: None,
        cnf: family.dpop_jkt.map(|jkt| Confirmation { jkt }),
    }))
}
