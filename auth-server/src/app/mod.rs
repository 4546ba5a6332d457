//! The composition root, for `serve` and for tests alike: every room's routes, their document, and the layers around
//! them.

mod openapi;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared::http::docs::{self, PageOptions};
use shared::http::layers::{self, ErrorFormat, LayerOptions};
use utoipa_axum::router::OpenApiRouter;

use crate::config::AuthConfig;
use crate::state::AppState;
use crate::web::trail::TrailLayer;
use crate::{health, oauth, pages, routes};

/// All routes of this service.
pub fn router(state: AppState) -> Router {
    let options = LayerOptions { errors: ErrorFormat::OAuth, is_https: state.config.issuer.is_https() };
    let trail = TrailLayer::new(state.audit.clone());
    let (routes, document) = OpenApiRouter::with_openapi(openapi::frame(&state.config))
        .merge(oauth::token::router(&state))
        .merge(oauth::revoke::router(&state))
        .merge(oauth::introspect::router())
        .merge(oauth::revocation_feed::router())
        .merge(oauth::resource_server_report::router())
        .merge(oauth::authorize::router())
        .merge(oauth::device::router(&state))
        .merge(oauth::par::router(&state))
        .merge(oauth::userinfo::router(&state))
        .merge(pages::router())
        .merge(oauth::metadata::router(&state))
        .merge(health::router())
        .split_for_parts();
    let documented = if state.config.has_docs { docs::router(document, &page(&state.config)) } else { Router::new() };
    let routes = routes
        .merge(documented)
        .fallback(not_found)
        .method_not_allowed_fallback(crate::web::error::method_not_allowed)
        .layer(trail)
        .with_state(state);
    layers::apply(routes, options)
}

fn page(config: &AuthConfig) -> PageOptions {
    PageOptions {
        token_url: config.issuer.endpoint(routes::TOKEN),
        client_id: config.default_client.as_ref().map(ToString::to_string),
        scopes: Vec::new(),
    }
}

async fn not_found() -> Response {
    crate::web::error::plain(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path").into_response()
}
