//! From HTTP to the service and back.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Request;
use oxide_auth::frontends::dev::WebResponse as _;
use oxide_auth_axum::OAuthResponse;

use super::request::TokenRequest;
use super::{schemas::TokenResponse, service};
use crate::oauth::dpop;
use crate::oauth::error::TokenError;
use crate::oauth::request::ProtocolForm;
use crate::routes;
use crate::state::AppState;
use crate::web::error::forbid_caching;

/// Turns a grant into an access token
///
/// RFC 6749 section 3.2. A request that names no client is the default client's, where one is configured; a public
/// client sends `client_id`, a confidential one its id and secret as HTTP Basic or in the form. With a proof in `DPoP`
/// (RFC 9449) the token is bound to the key of the proof.
#[utoipa::path(
    post,
    path = routes::TOKEN,
    tag = "Tokens",
    security((), ("secret" = [])),
    params(("DPoP" = Option<String>, Header, description = "A proof of the key that the token is to be bound to (RFC 9449).")),
    request_body(content = inline(TokenRequest<'_>), content_type = "application/x-www-form-urlencoded",
        description = "Each parameter at most once; none in the address."),
    responses(
        (status = 200, description = "A token.", body = TokenResponse,
            headers(
                ("Cache-Control" = String, description = "Always `no-store`."),
                ("DPoP-Nonce" = String, description = "For the next proof, where nonces are asked for."),
            )),
        TokenError,
    )
)]
pub(super) async fn token(State(state): State<AppState>, request: Request<Body>) -> Response {
    let nonce = dpop::offer(&state, request.headers(), state.clock.now());
    dpop::hand_over(exchange(&state, request).await.into_response(), nonce)
}

async fn exchange(state: &AppState, request: Request<Body>) -> Result<Response, TokenError> {
    let proof = dpop::find(state, request.headers(), routes::TOKEN);
    let form = ProtocolForm::read(state, request).await?;
    let proof = proof?;
    let issued = service::exchange(state, TokenRequest::new(&form, proof.as_ref())).await?;
    answer(&issued)
}

fn answer(issued: &TokenResponse) -> Result<Response, TokenError> {
    let machine = |_| TokenError::Machine("the answer could not be written");
    let json = serde_json::to_string(issued).map_err(|_| TokenError::Machine("the answer could not be written"))?;
    let mut response = OAuthResponse::default();
    response.ok().map_err(machine)?;
    response.body_json(&json).map_err(machine)?;
    let mut response = response.into_response();
    forbid_caching(response.headers_mut());
    Ok(response)
}
