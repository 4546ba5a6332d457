//! Decades: how many films each has and how good they are, from a table-valued function of Postgres.

pub mod handlers;
pub mod model;
pub mod service;
mod store;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;
use crate::web::protected::protected;

/// The routes of this room.
pub fn router() -> OpenApiRouter<AppState> {
    protected(OpenApiRouter::new().routes(routes!(handlers::list)))
}
