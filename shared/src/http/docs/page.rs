//! Swagger UI and what surrounds it: every file from the binary, with the headers that keep it there.

use std::borrow::Cow;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

/// What of Swagger UI the two pages load; the rest of its distribution is never served.
const ASSETS: [&str; 5] =
    ["swagger-ui-bundle.js", "swagger-ui.css", "index.css", "favicon-32x32.png", "oauth2-redirect.js"];
const HTML: &str = include_str!("page.html");
/// Where a sign-in comes back to. The address has a code in it, so it is kept nowhere.
const REDIRECT: &str = include_str!("redirect.html");
const SCRIPT: &str = include_str!("page.js");
/// Ours is small and changes with the service: ask each time. Swagger UI changes with a new binary only.
const OURS: &str = "no-cache";
const NEVER: &str = "no-store";
const THEIRS: &str = "public, max-age=86400";

/// What the page has to know of its service.
#[derive(Clone, Debug, Default)]
pub struct PageOptions {
    /// Where the Authorize button gets its tokens; the page may talk to this origin besides its own.
    pub token_url: String,
    /// The client that stands in the login form at first; `None` leaves the authorization server to take its default.
    pub client_id: Option<String>,
    /// The scopes that are ticked in the login form at first.
    pub scopes: Vec<String>,
}

/// One file as it is sent.
#[derive(Clone, Debug)]
pub(super) struct File {
    body: Cow<'static, [u8]>,
    headers: HeaderMap,
}

/// Every file with its path below the page; the page itself has the empty path.
pub(super) fn files(title: &str, options: &PageOptions) -> Vec<(String, File)> {
    let html = File::new(Cow::Borrowed(HTML.as_bytes()), "text/html; charset=utf-8", OURS);
    let script = File::new(Cow::Owned(script(title, options).into_bytes()), "text/javascript; charset=utf-8", OURS);
    let html = html.with(CONTENT_SECURITY_POLICY, &policy(&options.token_url));
    let redirect = File::new(Cow::Borrowed(REDIRECT.as_bytes()), "text/html; charset=utf-8", NEVER);
    let redirect = redirect.with(CONTENT_SECURITY_POLICY, REDIRECT_POLICY);
    let own = [(String::new(), html), ("/page.js".to_owned(), script), ("/oauth2-redirect.html".to_owned(), redirect)];
    own.into_iter().chain(ASSETS.into_iter().filter_map(asset)).collect()
}

/// It has one script and nothing else to do.
const REDIRECT_POLICY: &str = "default-src 'none'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                               frame-ancestors 'none'";

/// The settings as a constant before the script, so that the page needs no inline script.
fn script(title: &str, options: &PageOptions) -> String {
    let settings = serde_json::json!({ "title": title, "clientId": options.client_id, "scopes": options.scopes });
    format!("const settings = {settings};\n{SCRIPT}")
}

/// Swagger UI sets styles from its script and draws with `data:` images; nothing else is let through.
fn policy(token_url: &str) -> String {
    // An origin that is none of a web page's is written `null`, which matches nothing.
    let login = Url::parse(token_url).map(|url| url.origin()).ok().filter(url::Origin::is_tuple);
    let login = login.map(|origin| format!(" {}", origin.ascii_serialization())).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{login}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn asset(name: &'static str) -> Option<(String, File)> {
    let found = utoipa_swagger_ui::serve(name, Arc::default()).ok().flatten()?;
    let file = File::new(found.bytes, &found.content_type, THEIRS);
    // Whoever sends no Accept-Encoding accepts any (RFC 9110 section 12.5.3), and every browser reads gzip.
    let file = if found.gzpipped { file.with(CONTENT_ENCODING, "gzip") } else { file };
    Some((format!("/{name}"), file))
}

impl File {
    fn new(body: Cow<'static, [u8]>, media_type: &str, cache: &str) -> Self {
        Self { body, headers: HeaderMap::new() }.with(CONTENT_TYPE, media_type).with(CACHE_CONTROL, cache)
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        let mut response = self.body.into_response();
        // This replaces the media type that plain bytes got.
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_in_the_binary_and_compressed_where_it_is_large() {
        for name in ASSETS {
            let (_, file) = asset(name).unwrap_or_else(|| panic!("{name} is not in Swagger UI any more"));
            assert!(file.body.len() < 512 * 1024, "{name}: {} bytes", file.body.len());
            assert!(HTML.contains(name) || REDIRECT.contains(name), "{name} is not loaded");
        }
    }

    #[test]
    fn the_page_talks_to_its_own_origin_and_to_the_token_endpoint() {
        assert!(policy("https://login.example.com:8443/a/token").contains("'self' https://login.example.com:8443;"));
        assert!(policy("https://login.example.com; script-src *").contains("connect-src 'self';"), "no injection");
        assert!(!policy("").contains("http"));
    }

    #[test]
    fn the_page_names_no_other_place_and_has_no_inline_script() {
        for text in [HTML, REDIRECT, SCRIPT] {
            assert!(!text.contains("//cdn") && !text.contains("https://") && !text.contains("http://"));
        }
        assert_eq!(HTML.matches("<script").count(), HTML.matches("<script src=\"docs/").count());
        assert_eq!(
            REDIRECT.matches("<script").count(),
            REDIRECT.matches("<script src=\"oauth2-redirect.js\"></script>").count()
        );
        assert!(!HTML.contains("style=") && !REDIRECT.contains("style"));
    }
}
