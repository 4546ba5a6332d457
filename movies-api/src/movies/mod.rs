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

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;
use crate::web::protected::protected;

/// The routes of this room.
pub fn router() -> OpenApiRouter<AppState> {
    protected(
        OpenApiRouter::new()
            .routes(routes!(handlers::show_by_query))
            .routes(routes!(handlers::list, handlers::write::create))
            .routes(routes!(handlers::list_new))
            .routes(routes!(handlers::stats))
            .routes(routes!(handlers::file::export))
            .routes(routes!(handlers::show, handlers::write::put, handlers::write::change, handlers::write::delete)),
    )
}
