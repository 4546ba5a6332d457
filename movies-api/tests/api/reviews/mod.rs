//! Reviews: what users think of films. Each user has one for each film, and everybody with `reviews:read` may read them.

mod documented;
pub mod handlers;
pub mod model;
pub mod schemas;
pub mod service;
mod store;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;
use crate::web::protected::protected;

/// The routes of this room.
pub fn router() -> OpenApiRouter<AppState> {
    protected(OpenApiRouter::new().routes(routes!(handlers::list, handlers::create)))
}
