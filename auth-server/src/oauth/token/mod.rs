//! The token endpoint (RFC 6749 section 3.2).
//!
//! 1. [`crate::web::form`] reads the form strictly: a repeated parameter, a bad escape or a parameter in the address is
//!    refused before anything else is looked at.
//! 2. `service` authenticates the client and asks whether it may use this grant.
//! 3. `grants/` has one file for each grant: a short async driver over a state machine that does no input or output
//!    itself. The machines are oxide-auth's where it has one, else ours in `machine/`, by the same contract.
//! 4. `issue` is the only place that mints.
//! 5. Every refusal leaves through [`super::error`].

mod grants;
mod handlers;
mod issue;
pub mod machine;
mod request;
mod schemas;
mod service;

use http::{HeaderName, HeaderValue, Method, header};
use shared::http::cors::PagesLayer;
use shared::token::dpop::{NONCE, PROOF};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::state::AppState;
use crate::web::error::only;

/// The name by which the documentation calls a client's HTTP Basic credentials.
pub(crate) const CLIENT: &str = "secret";

pub(crate) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    let token = routes!(handlers::token).map(|methods| methods.fallback(|| async { only(&Method::POST) }));
    OpenApiRouter::new().routes(token).layer(cors(state))
}

/// Pages of the configured origins may ask for tokens and give them back.
pub(super) fn cors(state: &AppState) -> PagesLayer {
    let origins = state.config.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    // Never with credentials: no cookie means anything here.
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-requested-with"),
            HeaderName::from_static(PROOF),
        ])
        .expose_headers([HeaderName::from_static(NONCE)]);
    PagesLayer::new(cors)
}
