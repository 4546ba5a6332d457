//! The one stylesheet, in the binary, under an address that changes with it.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Uri};
use sha2::{Digest as _, Sha256};

use super::own;
use crate::routes;
use crate::state::AppState;

const STYLE: &str = include_str!("../../templates/style.css");

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let hash = Sha256::digest(STYLE);
    URL_SAFE_NO_PAD.encode(hash.split_at(12).0)
});

/// The address that pages link.
pub(super) fn address(state: &AppState) -> String {
    format!("{}?v={}", own(state, routes::STYLE), VERSION.as_str())
}

/// The stylesheet of the pages
///
/// Under the address that the pages link (with the hash of its content as `v`) it may be kept for ever.
#[utoipa::path(
    get,
    path = routes::STYLE,
    tag = "Signing in",
    responses((status = 200, description = "The stylesheet.", content_type = "text/css"))
)]
pub(super) async fn stylesheet(uri: Uri) -> Response {
    let is_current = uri.query().and_then(|query| query.strip_prefix("v=")) == Some(VERSION.as_str());
    let cache = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = STYLE.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
