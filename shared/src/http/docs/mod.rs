//! The documentation of a service, both parts from the binary: its OpenAPI document at `/openapi.json`, and Swagger UI
//! over it at `/docs`, where a person can log in and try the routes.
//!
//! 1. Handlers and wire types describe themselves (utoipa); [`Answers`] writes down refusals by the values that the code
//!    answers with, so that an example is never a second version of the truth.
//! 2. The service's router collects them into one document.
//! 3. [`router`] serves the document and the page. The page loads nothing from elsewhere, has no inline script, and may
//!    talk to its own origin and to the authorization server alone; its Content-Security-Policy says so.
//! 4. Signing in with a code happens in a window that the page opens; it comes back to [`REDIRECT`], which hands the code to
//!    the page. The page redeems it with its PKCE verifier.
//!
//! Everything the page needs is linked by relative addresses, so that it works below a proxy's prefix too.

mod answers;
mod login;
mod page;

use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, header};
use utoipa::openapi::OpenApi;

pub use answers::Answers;
pub use login::{Endpoints, LOGIN, login};
pub use page::PageOptions;

/// Where the page is.
pub const PAGE: &str = "/docs";
/// Where a sign-in that the page began comes back to; a redirect URI of the page's client.
pub const REDIRECT: &str = "/docs/oauth2-redirect.html";
/// Where the OpenAPI document is.
pub const DOCUMENT: &str = "/openapi.json";

/// The routes of the page, its files and the document.
pub fn router<S>(document: OpenApi, options: &PageOptions) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let document = Arc::new(document);
    let shown = page::files(&document.info.title, options).into_iter().fold(Router::new(), |router, (path, file)| {
        let path = format!("{PAGE}{path}");
        router.route(&path, get(move || async move { file.into_response() }))
    });
    shown
        // People type it so; the page's relative links would lead astray from there.
        .route(&format!("{PAGE}/"), get(|| async { Redirect::permanent("../docs") }))
        .route(DOCUMENT, get(move || async move { show(&document) }))
}

fn show(document: &OpenApi) -> Response {
    let mut response = Json(document).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
