//! What is behind a URL, keys or revocations: bounded in time and size, no redirects, no proxy, no retries of its own.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Response, redirect, retry};
use serde::Serialize;
use url::Url;

use super::{Fresh, KeysOptions, SourceError};
use crate::http::is_loopback;
use crate::token::keys::KeySet;
use crate::traces::{Outgoing, Purpose};

/// An HTTP client for one URL.
pub(in crate::token) struct Fetcher {
    url: Url,
    client: Client,
}

impl Fetcher {
    pub(in crate::token) fn new(url: Url, options: &KeysOptions) -> Result<Self, SourceError> {
        check_url(&url, options.allow_http).map_err(SourceError::Url)?;
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .timeout(options.fetch_timeout)
            .user_agent(concat!("myapi/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SourceError::Client(chain(&error)))?;
        Ok(Self { url, client })
    }

    /// The JWK Set. It is refused unless the answer is 200 with a whole, usable set in time and in bounds.
    pub(super) async fn fetch(&self, options: &KeysOptions) -> Result<Fresh, SourceError> {
        let accept = "application/jwk-set+json, application/json";
        let (headers, body) = self.get(self.url.clone(), accept, (options.size_limit, Purpose::Errand)).await?;
        let age = max_age(&headers).unwrap_or(options.default_age).clamp(options.shortest_age, options.longest_age);
        Ok(Fresh { set: Some(KeySet::from_jwks(&body)?), age })
    }

    /// What follows the entry `since` of a feed.
    pub(in crate::token) async fn fetch_since(&self, since: i64, limit: usize) -> Result<Vec<u8>, SourceError> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("since", &since.to_string());
        let (_, body) = self.get(url, "application/jwt", (limit, Purpose::Poll)).await?;
        Ok(body)
    }

    /// One POST as this client, whose id and secret are form-encoded first (RFC 6749 section 2.3.1). The answer has to be
    /// 204.
    pub(in crate::token) async fn post_json(
        &self,
        body: &impl Serialize,
        client_id: &str,
        client_secret: &str,
    ) -> Result<(), SourceError> {
        let span = Outgoing::begin(&Method::POST, &self.url, Purpose::Errand);
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let request = self.client.post(self.url.clone()).basic_auth(encoded(client_id), Some(encoded(client_secret)));
        let request = request.headers(span.headers()).json(body);
        let response = request.send().await.map_err(|error| SourceError::Fetch(chain(&error)))?;
        span.answered(response.status());
        match response.status() {
            StatusCode::NO_CONTENT => Ok(()),
            other => Err(SourceError::Status(other.as_u16())),
        }
    }

    /// One GET, with at most `limit` bytes of an answer that has to be 200.
    async fn get(
        &self,
        url: Url,
        accept: &'static str,
        (limit, purpose): (usize, Purpose),
    ) -> Result<(HeaderMap, Vec<u8>), SourceError> {
        let span = Outgoing::begin(&Method::GET, &url, purpose);
        let request = self.client.get(url).header(header::ACCEPT, accept).headers(span.headers());
        let response = request.send().await.map_err(|error| SourceError::Fetch(chain(&error)))?;
        span.answered(response.status());
        if response.status() != StatusCode::OK {
            return Err(SourceError::Status(response.status().as_u16()));
        }
        let headers = response.headers().clone();
        Ok((headers, read_body(response, limit).await?))
    }
}

/// Reads chunk by chunk and stops at the first byte too many, whatever the length header promised.
async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, SourceError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| SourceError::Fetch(chain(&error)))? {
        if body.len() + chunk.len() > limit {
            return Err(SourceError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether anything may be fetched from `url`: `https`, or `http` on loopback or where `allow_http` says so.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_url(url: &Url, allow_http: bool) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries credentials, which would end up in logs");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if allow_http || is_loopback(url) => Ok(()),
        "http" => Err("plain http beyond loopback lets anyone on the path replace the keys"),
        _ => Err("the scheme is not https"),
    }
}

/// `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1); zero where the answer must not be kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut found = None;
    for directive in values.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase()) {
        if directive == "no-store" || directive == "no-cache" {
            return Some(Duration::ZERO);
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            found = seconds.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    found
}

/// An error with its causes: reqwest's own text stops at "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, header};
    use url::Url;

    use super::{check_url, max_age};

    #[test]
    fn plain_http_only_on_loopback_or_where_allowed() {
        let check = |text: &str, allow| check_url(&Url::parse(text).unwrap(), allow).is_ok();
        for text in [
            "https://a.example/jwks",
            "http://127.0.0.1:1/",
            "http://127.9.9.9/",
            "http://[::1]/",
            "http://localhost:8001/",
        ] {
            assert!(check(text, false), "{text}");
        }
        for text in ["http://a.example/", "http://localhost.example/", "http://169.254.169.254/", "http://10.0.0.1/"] {
            assert!(!check(text, false) && check(text, true), "{text}");
        }
        for text in ["file:///etc/passwd", "ftp://127.0.0.1/", "https://user:pw@a.example/", "data:,{}"] {
            assert!(!check(text, true), "{text}");
        }
    }

    #[test]
    fn reads_max_age() {
        let age = |text: &str| {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, text.parse().unwrap())]);
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(age("public, Max-Age=300"), Some(300));
        assert_eq!(age("max-age=60, no-cache"), Some(0));
        assert_eq!(age("max-age=99999999999999999999"), None);
        assert_eq!(age("public"), None);
        assert_eq!(max_age(&HeaderMap::new()), None::<Duration>);
    }
}
