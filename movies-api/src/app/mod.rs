//! The one place that sees every room: `serve` and the tests build the same router.

mod health;
mod openapi;
mod resource;

use axum::Router;
use shared::http::docs::{self, Endpoints, PageOptions};
use shared::http::layers::{self, ErrorFormat, LayerOptions};
use shared::http::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use resource::Resource;

use crate::movies;
use crate::state::AppState;
use crate::web::cors;

/// What differs between deployments.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// Clients reach this service by https only.
    pub is_https: bool,
    /// What it says of itself to clients.
    pub resource: Resource,
    /// Origins whose pages may call the rooms.
    pub cors_origins: Vec<String>,
    /// Whether there are `/docs` and `/openapi.json`.
    pub has_docs: bool,
    /// Where the page of `/docs` gets its tokens.
    pub login: Endpoints,
    /// The client that stands in the page's login form at first.
    pub docs_client: Option<String>,
}

/// All routes with everything around them.
pub fn router(state: AppState, options: AppOptions) -> Router {
    assemble(rooms(), state, options)
}

/// The rooms: a new one is a line here.
pub fn rooms() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(movies::router())
}

/// Puts health, documents, fallbacks and layers around `rooms`.
pub fn assemble(rooms: OpenApiRouter<AppState>, state: AppState, options: AppOptions) -> Router {
    let AppOptions { is_https, resource, cors_origins, has_docs, login, docs_client } = options;
    let (routes, document) = OpenApiRouter::with_openapi(openapi::frame(&login))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .merge(resource::router(&resource))
        .merge(cors::shared_with(&cors_origins, rooms))
        .split_for_parts();
    let page = PageOptions {
        token_url: login.token,
        client_id: docs_client,
        scopes: openapi::SCOPES.iter().map(|(scope, _)| (*scope).to_owned()).collect(),
    };
    let documented = if has_docs { docs::router(document, &page) } else { Router::new() };
    let router = routes
        .merge(documented)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(state);
    layers::apply(router, LayerOptions { errors: ErrorFormat::Problem, is_https })
}
