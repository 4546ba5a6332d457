//! Films: who holds `movies:read` may look them up.
//!
//! A request walks: bearer token with the scope ([`handlers`]) → its parameters, strictly ([`schemas`]) → the use case
//! ([`service`]) → SQL (`store`). The token comes first, so that nobody learns without one what exists.
//!
//! [`import`] and [`export`] bring films in and out as files ([`files`]); the command line uses them.

pub mod cursor;
mod documented;
pub mod export;
pub mod files;
pub mod handlers;
pub mod import;
pub mod model;
pub mod schemas;
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
        .routes(routes!(handlers::show_by_query))
        .routes(routes!(handlers::show_by_query_unslashed))
        .routes(routes!(handlers::list_new))
        .routes(routes!(handlers::show))
        .layer((
            SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            SetResponseHeaderLayer::overriding(header::VARY, HeaderValue::from_static("Authorization")),
        ))
}
