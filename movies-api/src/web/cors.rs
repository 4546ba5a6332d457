//! Pages of other origins that may call the rooms (Fetch standard, section 3.3): those of the settings, and no other.

use std::time::Duration;

use axum::Router;
use http::{HeaderName, HeaderValue, Method, header};
use shared::http::cors::PagesLayer;
use shared::http::layers::REQUEST_ID;
use shared::http::problem::Problem;
use shared::token::bearer::{LIMITS_LEFT, LIMITS_POLICY};
use shared::token::dpop::PROOF;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;

use crate::state::AppState;

/// How long a browser need not ask again whether it may.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The rooms, and what pages of `origins` have to be told. Without origins they are as they were.
pub fn shared_with(origins: &[String], rooms: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    if origins.is_empty() {
        return rooms;
    }
    let (router, document) = rooms.split_for_parts();
    // Inside of the layer: a preflight meets it before it is a method that is not there.
    let router: Router<AppState> =
        router.method_not_allowed_fallback(async || Problem::method_not_allowed()).layer(layer(origins));
    let mut rooms = OpenApiRouter::from(router);
    *rooms.get_openapi_mut() = document;
    rooms
}

fn layer(origins: &[String]) -> PagesLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    // Never with credentials: who calls is told by the token, and no cookie means anything here.
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static(PROOF),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
        ])
        .expose_headers([
            header::CONTENT_DISPOSITION,
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            LIMITS_LEFT,
            LIMITS_POLICY,
            REQUEST_ID,
        ])
        .max_age(REMEMBERED);
    PagesLayer::new(cors)
}
