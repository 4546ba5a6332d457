//! Pushed authorization requests (RFC 9126).
//!
//! 1. The client is authenticated as at the token endpoint, a public one by its id.
//! 2. Its request is judged whole, by the code that judges what a browser brings; what is wrong is told here, as JSON.
//!    A proof that comes with it (DPoP) binds it to its key (RFC 9449 section 10.1).
//! 3. It is kept, and its name is what the browser carries to the authorization endpoint (see [`crate::pushed_requests`]).

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use shared::db::DbError;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::authorize::{LONGEST_QUERY, Parameters, prove};
use super::dpop;
use super::error::{PushErrors, TokenError};
use super::request::ProtocolForm;
use super::token::cors;
use crate::routes;
use crate::state::AppState;
use crate::web::error::{forbid_caching, only};

/// What says who the client is, and is no part of its request.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

pub(crate) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    let push = routes!(push).map(|methods| methods.fallback(|| async { only(&Method::POST) }));
    OpenApiRouter::new().routes(push).layer(cors(state))
}

/// What the form holds, for the documentation.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the form is read by name")]
struct PushForm {
    /// The client, where no HTTP Basic credentials or assertion say so.
    client_id: Option<String>,
    /// A confidential client's secret, where HTTP Basic credentials have none.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, beside `client_assertion`.
    client_assertion_type: Option<String>,
    /// What a client of `private_key_jwt` signed (RFC 7523).
    client_assertion: Option<String>,
    /// Where the answer goes; registered, byte for byte.
    redirect_uri: String,
    /// `code`.
    #[schema(example = "code")]
    response_type: String,
    /// RFC 7636 section 4.2.
    code_challenge: String,
    /// `S256`.
    #[schema(example = "S256")]
    code_challenge_method: String,
    /// What is asked for; absent: the client's default. Everything else that `/authorize` takes can stand here too.
    scope: Option<String>,
    /// Comes back as it is.
    state: Option<String>,
    /// What the token is for (RFC 8707).
    resource: Option<String>,
}

/// The name of a request (RFC 9126 section 2.2).
#[derive(Serialize, ToSchema)]
struct Pushed {
    /// For the authorization endpoint, with `client_id` beside it.
    #[schema(example = "urn:ietf:params:oauth:request_uri:mpr1_…")]
    request_uri: String,
    /// Seconds in which the browser has to come.
    #[schema(example = 60)]
    expires_in: i64,
}

/// Takes an authorization request before the browser comes
///
/// RFC 9126. The parameters are those of `/authorize`; the answer is a name for them, good for one answer.
#[utoipa::path(
    post,
    path = routes::PAR,
    tag = "Signing in",
    security((), ("secret" = [])),
    params(("DPoP" = Option<String>, Header, description = "A proof of the key that the code is to be bound to (RFC 9449).")),
    request_body(content = inline(PushForm), content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 201, description = "The request is kept.", body = Pushed,
            headers(("Cache-Control" = String, description = "Always `no-store`."))),
        PushErrors,
    )
)]
async fn push(State(state): State<AppState>, request: Request<Body>) -> Response {
    let nonce = dpop::offer(&state, request.headers(), state.clock.now());
    dpop::hand_over(keep(&state, request).await.into_response(), nonce)
}

async fn keep(state: &AppState, request: Request<Body>) -> Result<Response, TokenError> {
    let proof = dpop::find(state, request.headers(), routes::PAR);
    let form = ProtocolForm::read(state, request).await?;
    let proof = proof?;
    let client = form.client(state).await?;
    // "The request_uri authorization request parameter is one exception, and it MUST NOT be provided." (section 2.1)
    if form.parameter("request_uri").is_some() {
        return Err(TokenError::PushedTwice);
    }
    let origin = *form.origin();
    let mut parameters = form.into_parameters();
    parameters.retain(|(name, _)| !CREDENTIALS.contains(&name.as_str()) && name != "client_id");
    parameters.push(("client_id".to_owned(), client.client_id.to_string()));
    if let Some(proof) = &proof {
        dpop::bind_request(&mut parameters, proof)?;
    }
    // What a browser carries through the pages is as large as what it may bring.
    let size: usize = parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LONGEST_QUERY {
        return Err(TokenError::PushedTooLarge);
    }
    prove(state, Parameters(&parameters)).await?;
    if proof.is_some() {
        let mut conn = state.pool.acquire().await.map_err(DbError::from)?;
        dpop::take(&mut conn, proof.as_ref()).await?;
    }
    let now = state.clock.now();
    let request_uri = state.pushed_requests.push(&client, &parameters, &origin, now).await?;
    tracing::info!("kept a pushed authorization request");
    let pushed = Pushed { request_uri: request_uri.text(), expires_in: state.pushed_requests.seconds() };
    let mut response = (StatusCode::CREATED, Json(pushed)).into_response();
    forbid_caching(response.headers_mut());
    Ok(response)
}
