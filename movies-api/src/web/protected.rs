//! What is around every room whose answers depend on the token.

use axum::extract::DefaultBodyLimit;
use http::{HeaderValue, header};
use shared::token::bearer::TellLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::config::MAX_BODY;
use crate::state::AppState;

/// No cache may keep what these routes answer, but for what a handler lets the client itself keep; bodies are bounded; and
/// callers are told what is left of their limits.
pub fn protected(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    routes.layer((
        TellLayer,
        DefaultBodyLimit::max(MAX_BODY),
        SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        SetResponseHeaderLayer::overriding(header::VARY, HeaderValue::from_static("Authorization")),
    ))
}
