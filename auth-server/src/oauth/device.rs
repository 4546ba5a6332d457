//! The device authorization endpoint (RFC 8628 section 3.1): a device without a browser asks for a code that a person
//! types on another one. What happens from there on is told by [`crate::devices`]; the page is `pages/device`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use serde::{Deserialize, Serialize};
use shared::token::scope::ScopeSet;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::authorize::with_parameters;
use super::error::{DeviceErrors, TokenError};
use super::request::ProtocolForm;
use super::target::{Granted, Targets};
use super::token::cors;
use crate::clients::{Client, GrantType};
use crate::devices::Asking;
use crate::routes;
use crate::state::AppState;
use crate::web::error::{forbid_caching, only};

pub(crate) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    let start = routes!(start).map(|methods| methods.fallback(|| async { only(&Method::POST) }));
    OpenApiRouter::new().routes(start).layer(cors(state))
}

/// What the form holds, for the documentation.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the form is read by name")]
struct DeviceForm {
    /// What is asked for, separated by spaces; absent: the client's default.
    #[schema(example = "movies:read")]
    scope: Option<String>,
    /// Who asks, where no HTTP Basic credentials say so.
    client_id: Option<String>,
    /// A confidential client's secret, where HTTP Basic credentials have none.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, beside `client_assertion`.
    client_assertion_type: Option<String>,
    /// What a client of `private_key_jwt` signed (RFC 7523), in place of a secret.
    client_assertion: Option<String>,
    /// What the token is for (RFC 8707); absent: what the client is for.
    resource: Option<String>,
}

/// What a device is told (RFC 8628 section 3.2).
#[derive(Serialize, ToSchema)]
struct DeviceResponse {
    /// For the device alone: it polls the token endpoint with it.
    #[schema(example = "mdc1_…")]
    device_code: String,
    /// For the person: they type it at `verification_uri`, in either case, with or without the dash.
    #[schema(example = "WDJB-MJHT")]
    user_code: String,
    /// Where the person goes.
    #[schema(example = "http://127.0.0.1:8001/device")]
    verification_uri: String,
    /// The same with the code in it, for a link or a QR code.
    #[schema(example = "http://127.0.0.1:8001/device?user_code=WDJB-MJHT")]
    verification_uri_complete: String,
    /// Seconds until both codes end.
    #[schema(example = 600)]
    expires_in: u64,
    /// Seconds between two polls.
    #[schema(example = 5)]
    interval: u64,
}

/// Starts to sign a device in
///
/// RFC 8628. The device shows the user code and polls the token endpoint with the device code.
#[utoipa::path(
    post,
    path = routes::DEVICE_AUTHORIZATION,
    tag = "Tokens",
    security((), ("secret" = [])),
    request_body(content = inline(DeviceForm), content_type = "application/x-www-form-urlencoded",
        description = "Each parameter at most once; none in the address."),
    responses(
        (status = 200, description = "The codes.", body = DeviceResponse,
            headers(("Cache-Control" = String, description = "Always `no-store`."))),
        DeviceErrors,
    )
)]
async fn start(State(state): State<AppState>, request: Request<Body>) -> Result<Response, TokenError> {
    let form = ProtocolForm::read(&state, request).await?;
    let client = form.client(&state).await?;
    if !client.allows(GrantType::DeviceCode) {
        return Err(TokenError::GrantNotAllowed);
    }
    let named = [form.parameter("resource"), form.parameter("audience")];
    let targets = Targets::read(&state, &client, &named.each_ref().map(Option::as_deref)).await?;
    let asked = asked(&form, &client)?;
    let Granted { audience, scope } = targets.begin(&asked);
    if scope.is_empty() && !asked.is_empty() {
        return Err(TokenError::NothingGranted);
    }
    let asking = Asking { client_id: &client.client_id, audience: &audience, scope: &scope };
    let started = state.devices.start(&asking, form.origin(), state.clock.now()).await?;
    tracing::info!("a device waits for its approval");
    let verification_uri = state.config.issuer.endpoint(routes::DEVICE);
    let user_code = started.user_code.to_string();
    let mut response = Json(DeviceResponse {
        device_code: started.device_code.text(),
        verification_uri_complete: with_parameters(&verification_uri, &[("user_code", &user_code)]),
        verification_uri,
        user_code,
        expires_in: started.ttl.as_secs(),
        interval: started.interval.as_secs(),
    })
    .into_response();
    forbid_caching(response.headers_mut());
    Ok(response)
}

/// Asking for more than the client may have is refused; what the person lacks is left out when they allow it.
fn asked(form: &ProtocolForm, client: &Client) -> Result<ScopeSet, TokenError> {
    let Some(text) = form.parameter("scope") else { return Ok(client.default_scopes.clone()) };
    let names: Vec<&str> = text.split(' ').filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(client.default_scopes.clone());
    }
    let asked = ScopeSet::from_names(names).map_err(|_| TokenError::Scope)?;
    if asked.is_subset(&client.scopes) { Ok(asked) } else { Err(TokenError::WiderScope("what the client may have")) }
}
