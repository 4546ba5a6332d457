//! Token revocation (RFC 7009).
//!
//! 1. The client is authenticated, a public one by its id.
//! 2. A refresh token ends its whole family, whether it was spent or not; an access token ends by itself.
//! 3. What is unknown, expired, revoked before or another client's is answered like success (section 2.2): nobody
//!    learns anything, and a client that retries is content.
//!
//! The row and the feed's entry are one transaction. Without the database the answer is 503, never a false 200.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use shared::db::DbError;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::error::{ClientErrors, TokenError};
use super::request::ProtocolForm;
use super::token::cors;
use crate::audit::{self, Event, Kind};
use crate::clients::Client;
use crate::revocations::{self, Revoked};
use crate::routes;
use crate::state::AppState;
use crate::tokens::RefreshToken;
use crate::web::error::{forbid_caching, only};

pub(crate) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    let revoke = routes!(revoke).map(|methods| methods.fallback(|| async { only(&Method::POST) }));
    OpenApiRouter::new().routes(revoke).layer(cors(state))
}

/// What the form holds, for the documentation.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the form is read by name")]
struct RevocationForm {
    /// A refresh token or an access token of this server.
    #[schema(example = "mrt1_…")]
    token: String,
    /// `refresh_token` or `access_token`; a wrong hint does no harm.
    token_type_hint: Option<String>,
    /// Who asks, where no HTTP Basic credentials say so.
    client_id: Option<String>,
    /// A confidential client's secret, where HTTP Basic credentials have none.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, beside `client_assertion`.
    client_assertion_type: Option<String>,
    /// What a client of `private_key_jwt` signed (RFC 7523), in place of a secret.
    client_assertion: Option<String>,
}

/// Ends a token before its time
///
/// RFC 7009. A refresh token ends with everything that came from its login. The answer is the same whether there was
/// anything to end.
#[utoipa::path(
    post,
    path = routes::REVOKE,
    tag = "Tokens",
    security((), ("secret" = [])),
    request_body(content = inline(RevocationForm), content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is worth nothing now.",
            headers(("Cache-Control" = String, description = "Always `no-store`."))),
        ClientErrors,
    )
)]
async fn revoke(State(state): State<AppState>, request: Request<Body>) -> Result<Response, TokenError> {
    let form = ProtocolForm::read(&state, request).await?;
    let client = form.client(&state).await?;
    let token = form.required("token")?;
    let now = state.clock.now();
    let is_revoked = match RefreshToken::parse(&token) {
        Ok(token) => state.tokens.revoke(&token, &client.client_id, now).await?,
        Err(_) => revoke_access_token(&state, &client, &token, now).await?,
    };
    tracing::info!(is_revoked, "revocation answered");
    if is_revoked {
        audit::note(Event::ok(Kind::Revocation));
    }
    let mut response = StatusCode::OK.into_response();
    forbid_caching(response.headers_mut());
    Ok(response)
}

async fn revoke_access_token(
    state: &AppState,
    client: &Client,
    token: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let Some(token) = state.own_tokens.verify(token, now) else { return Ok(false) };
    if token.claims.client_id != client.client_id.as_str() {
        return Ok(false);
    }
    audit::note_subject(&token.claims.sub);
    let expires_at = DateTime::UNIX_EPOCH + TimeDelta::seconds(token.claims.exp);
    let mut transaction = state.relay.begin().await?;
    let entry = Revoked::Token { jti: token.claims.jti.clone(), expires_at };
    revocations::append(&mut transaction, &[entry], now).await?;
    transaction.commit().await?;
    Ok(true)
}
