//! Films: who holds `movies:read` may look them up, who holds `movies:write` may change them.
//!
//! A request walks: bearer token with the scope ([`handlers`]) → its parameters, strictly ([`schemas`]) → the use case
//! ([`service`]) → SQL (`store`). The token comes first, so that nobody learns without one what exists.
//!
//! A film has a [`version`], which conditions of requests speak of; [`listing`] is what lists can be asked for.
//!
//! [`import`] and [`export`] bring films in and out as files ([`files`]) for the command line, [`stream`] for HTTP.

pub mod cursor;
mod documented;
pub mod export;
pub mod files;
pub mod handlers;
pub mod import;
pub mod listing;
pub mod model;
pub mod schemas;
pub mod service;
mod store;
pub mod stream;
pub mod version;

use axum::extract::DefaultBodyLimit;
use http::{HeaderValue, header};
use shared::token::bearer::TellLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::MAX_BODY;
use crate::state::AppState;

/// The routes of this room. What they answer depends on the token, so no cache may keep it, but for what a handler lets the
/// client itself keep.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(handlers::show_by_query))
        .routes(routes!(handlers::list, handlers::write::create))
        .routes(routes!(handlers::list_new))
        .routes(routes!(handlers::stats))
        .routes(routes!(handlers::file::export))
        .routes(routes!(handlers::show, handlers::write::put, handlers::write::change, handlers::write::delete))
        .layer((
            TellLayer,
            DefaultBodyLimit::max(MAX_BODY),
            SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            SetResponseHeaderLayer::overriding(header::VARY, HeaderValue::from_static("Authorization")),
        ))
}
