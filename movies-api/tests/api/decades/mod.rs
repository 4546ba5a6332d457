//! Decades: how many films each has and how good they are, from a table-valued function of Postgres.

pub mod handlers;
pub mod model;
pub mod service;
mod store;

use http::{HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// The routes of this room. What they answer depends on the token, so no cache may keep it.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(handlers::list))
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(SetResponseHeaderLayer::overriding(header::VARY, HeaderValue::from_static("Authorization")))
}
