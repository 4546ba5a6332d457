//! The composition root, for `serve` and for tests alike: every room's routes, and the layers around them.

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared::http::layers::{self, ErrorFormat, LayerOptions};

use crate::state::AppState;
use crate::{health, oauth};

/// All routes of this service.
pub fn router(state: AppState) -> Router {
    let options = LayerOptions { errors: ErrorFormat::OAuth, is_https: state.config.issuer.is_https() };
    let routes = Router::new()
        .merge(oauth::token::router(&state))
        .merge(oauth::metadata::router(&state))
        .merge(health::router())
        .fallback(not_found)
        .method_not_allowed_fallback(crate::web::error::method_not_allowed)
        .with_state(state);
    layers::apply(routes, options)
}

async fn not_found() -> Response {
    crate::web::error::plain(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path").into_response()
}
