//! The settings of traces, alike for every service.

use std::fmt::Display;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::config::{ConfigError, Setting, Settings};
use crate::http::is_loopback;

const ENDPOINT: &str = "MYAPI_OTLP__ENDPOINT";
const HEADERS: &str = "MYAPI_OTLP__HEADERS";
const RATIO: &str = "MYAPI_OTLP__RATIO";

/// What other programs call the endpoint (OpenTelemetry, OTLP exporter configuration); read where ours is not set.
pub const OTEL_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The settings.
pub const SETTINGS: [Setting; 3] = [
    Setting::optional(
        ENDPOINT,
        "the collector that takes traces by OTLP over HTTP, such as http://127.0.0.1:4318; needs a build with the feature otlp",
    ),
    Setting::secret(HEADERS, "headers that it asks for, as name=value,name=value; values percent-encoded"),
    Setting::new(RATIO, "1", "how many of the traces that begin here are recorded; 0 to 1"),
];

/// Where traces go, and how many.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    /// The collector; `/v1/traces` follows.
    pub endpoint: Url,
    /// Sent with each batch.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// Of the traces that begin here, 0 to 1; others are recorded where their `traceparent` says so.
    pub ratio: f64,
}

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP client.
    #[error("no HTTP client for traces: {0}")]
    Client(String),
    /// What the exporter finds wrong, such as a standard variable `OTEL_…`.
    #[error("traces cannot be exported: {0}")]
    Exporter(String),
}

impl TracesConfig {
    /// Reads where traces go, if anywhere.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable; also where this build exports none.
    pub fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        Self::read_for(settings, cfg!(feature = "otlp"))
    }

    fn read_for(settings: &Settings, is_built: bool) -> Result<Option<Self>, ConfigError> {
        let ratio: f64 = settings.get(RATIO)?;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(settings.refuse(RATIO, &format!("is `{ratio}`: it has to be from 0 to 1")));
        }
        let headers = settings.find_secret(HEADERS)?;
        let headers = headers.map_or_else(|| Ok(Vec::new()), |all| read_headers(settings, &all))?;
        let Some(text) = settings.find::<String>(ENDPOINT)? else { return Ok(None) };
        if !is_built {
            return Err(
                settings.refuse(ENDPOINT, "asks for traces, but this binary was built without the feature `otlp`")
            );
        }
        let refuse = |reason: &dyn Display| settings.refuse(ENDPOINT, &format!("is `{text}`: {reason}"));
        let endpoint = Url::parse(&text).map_err(|error| refuse(&error))?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.query().is_some() {
            return Err(refuse(&"it has to be an http or https address without query"));
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(settings
                .refuse(ENDPOINT, &format!("carries credentials, which would end up in logs: {HEADERS} is for them")));
        }
        if !headers.is_empty() && endpoint.scheme() == "http" && !is_loopback(&endpoint) {
            return Err(
                settings.refuse(HEADERS, &format!("would go in the clear: {ENDPOINT} has to be https, or on loopback"))
            );
        }
        Ok(Some(Self { endpoint, headers, ratio }))
    }
}

/// As in `OTEL_EXPORTER_OTLP_HEADERS`: pairs as in W3C Baggage. No message repeats what is secret.
fn read_headers(settings: &Settings, all: &SecretString) -> Result<Vec<(HeaderName, SecretString)>, ConfigError> {
    let pairs = all.expose_secret().split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            HeaderValue::from_str(&value).ok()?;
            Some((name.trim().parse().ok()?, SecretString::from(value.into_owned())))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| settings.refuse(HEADERS, "is no list of name=value (its value is secret and not shown)"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Sources;

    fn read(variables: &[(&str, &str)], is_built: bool) -> Result<Option<TracesConfig>, String> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources { environment, ..Sources::default() };
        let settings = Settings::load("MOVIES", &[], &sources).unwrap();
        TracesConfig::read_for(&settings, is_built).map_err(|error| error.to_string())
    }

    #[test]
    fn without_an_endpoint_there_are_none_in_either_build() {
        assert!(read(&[], false).unwrap().is_none() && read(&[(RATIO, "0.5")], true).unwrap().is_none());
    }

    #[test]
    fn a_build_without_the_feature_says_so_and_names_the_variable() {
        let refused = read(&[(ENDPOINT, "http://127.0.0.1:4318")], false).unwrap_err();
        assert_eq!(
            refused,
            "MYAPI_OTLP__ENDPOINT (from environment) asks for traces, but this binary was built without the feature `otlp`"
        );
    }

    #[test]
    fn headers_are_pairs_and_stay_secret() {
        let headers = (HEADERS, "authorization=Bearer%20abc, x-team = blue");
        let config = read(&[(ENDPOINT, "https://collector.example"), headers], true).unwrap().unwrap();
        let pairs: Vec<_> = config.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(pairs, [("authorization", "Bearer abc"), ("x-team", "blue")]);
        assert!(!format!("{config:?}").contains("abc"), "{config:?}");
    }

    #[rstest]
    #[case(&[(ENDPOINT, "collector:4318")], "MYAPI_OTLP__ENDPOINT (from environment) is `collector:4318`: it has to be")]
    #[case(&[(ENDPOINT, "nowhere")], "MYAPI_OTLP__ENDPOINT (from environment) is `nowhere`: relative URL")]
    #[case(&[(ENDPOINT, "http://a:b@c.example")], "MYAPI_OTLP__ENDPOINT (from environment) carries credentials")]
    #[case(&[(RATIO, "1.5")], "MYAPI_OTLP__RATIO (from environment) is `1.5`: it has to be from 0 to 1")]
    #[case(&[(RATIO, "NaN")], "MYAPI_OTLP__RATIO (from environment) is `NaN`")]
    #[case(&[(HEADERS, "sesame")], "MYAPI_OTLP__HEADERS (from environment) is no list of name=value")]
    #[case(&[(HEADERS, "a=sesame"), (ENDPOINT, "http://c.example")], "MYAPI_OTLP__HEADERS (from environment) would go in the clear")]
    fn what_does_not_fit_is_named_and_no_secret_shown(#[case] variables: &[(&str, &str)], #[case] reason: &str) {
        let refused = read(variables, true).unwrap_err();
        assert!(refused.starts_with(reason) && !refused.contains("sesame") && !refused.contains("a:b"), "{refused}");
    }
}
