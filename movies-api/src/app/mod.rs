//! The one place that sees every room: `serve` and the tests build the same router.

mod health;

use axum::Router;
use axum::routing::get;
use shared::http::layers::{self, ErrorFormat, LayerOptions};
use shared::http::problem::Problem;

use crate::state::AppState;
use crate::{movies, routes};

/// All routes with everything around them. `is_https`: clients reach this service by https only.
pub fn router(state: AppState, is_https: bool) -> Router {
    let router = Router::new()
        .route(routes::HEALTH, get(health::live))
        .route(routes::READY, get(health::ready))
        .merge(movies::router())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(state);
    layers::apply(router, LayerOptions { errors: ErrorFormat::Problem, is_https })
}
