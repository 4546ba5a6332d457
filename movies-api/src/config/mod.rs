//! Settings of this service, and its limits.

mod settings;
mod sources;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use shared::config::{CommonConfig, ConfigError, Environment, Settings, Sources};
use shared::token::bearer::Limit;
use shared::token::source::{KeySource, KeysOptions};
use url::Url;

use settings::{
    AUDIENCE, BIND, CORS_ORIGINS, DOCS, DOCS_CLIENT, DPOP_REQUIRED, ISSUER, JWKS_ALLOW_HTTP, LIMIT_CLIENT,
    LIMIT_SUBJECT, MAX_CLIENTS,
};
pub use settings::{METRICS_BIND, SECTION, SETTINGS};
pub use sources::{ReportTarget, RevocationSource};
use sources::{key_cache, key_source, reports, revocations};

/// Films on a page of `/movies/new` that does not say how many.
pub const DEFAULT_PAGE: u16 = 100;
/// Films on a page at most.
pub const MAX_PAGE: u16 = 1000;
/// Bytes of a request's body at most: a film with the longest title, every character escaped, has a fifth of it.
pub const MAX_BODY: usize = 64 * 1024;
/// What a refusal says is protected (RFC 6750 section 3).
pub const REALM: &str = "movies";
/// Connections to the database that one process holds at most.
pub const MAX_CONNECTIONS: u32 = 10;
/// How long `/readyz` waits for the database.
pub const READY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the start waits for the database before it goes on without.
pub const START_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections for what runs beside the requests: one reads revocations, one listens for hints, one reports.
pub const BACKGROUND_CONNECTIONS: u32 = 3;

/// What `serve` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Environment and database.
    pub common: CommonConfig,
    /// Where to listen.
    pub bind: SocketAddr,
    /// The most connections of clients.
    pub max_connections: usize,
    /// Where to tell Prometheus how it goes, if anywhere.
    pub metrics_bind: Option<SocketAddr>,
    /// The `iss` of tokens that are trusted.
    pub issuer: String,
    /// The `aud` that tokens have to carry.
    pub audience: String,
    /// Where the public keys come from.
    pub keys: KeySource,
    /// Whether keys may come by plain http from other hosts than this one.
    pub allows_http_keys: bool,
    /// Where the keys of a URL are kept for a start without it.
    pub key_cache: Option<PathBuf>,
    /// Where news of revocations comes from.
    pub revocations: RevocationSource,
    /// How many requests each subject may make.
    pub limit_subject: Limit,
    /// How many requests each client may make.
    pub limit_client: Limit,
    /// Where reports of what is held go.
    pub reports: ReportTarget,
    /// Whether tokens have to be bound to a key.
    pub requires_dpop: bool,
    /// Origins whose pages may call this API.
    pub cors_origins: Vec<String>,
    /// Whether `/docs` and `/openapi.json` are there.
    pub has_docs: bool,
    /// The client that stands in the login of `/docs`.
    pub docs_client: Option<String>,
}

impl Config {
    /// How keys are fetched and kept.
    #[must_use]
    pub fn key_options(&self) -> KeysOptions {
        KeysOptions { allow_http: self.allows_http_keys, copy: self.key_cache.clone(), ..KeysOptions::default() }
    }

    /// Reads and checks all settings; the [`Settings`] come along for their notices.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable and what would do.
    pub fn load(sources: &Sources) -> Result<(Self, Settings), ConfigError> {
        let settings = Settings::load(SECTION, SETTINGS, sources)?;
        let common = CommonConfig::read(&settings, SECTION)?;
        let environment = common.environment;
        let (issuer, audience) = (issuer(&settings, environment)?, absolute_uri(&settings, AUDIENCE)?.0);
        let config = Self {
            bind: common.bind(&settings, BIND)?,
            max_connections: max_connections(&settings)?,
            metrics_bind: common.find_bind(&settings, METRICS_BIND)?,
            keys: key_source(&settings, environment)?,
            allows_http_keys: settings.get(JWKS_ALLOW_HTTP)?,
            key_cache: key_cache(&settings)?,
            revocations: revocations(&settings, environment)?,
            limit_subject: settings.get(LIMIT_SUBJECT)?,
            limit_client: settings.get(LIMIT_CLIENT)?,
            reports: reports(&settings, environment)?,
            requires_dpop: requires_dpop(&settings)?,
            cors_origins: common.origins(&settings, CORS_ORIGINS, [&issuer, &audience])?,
            has_docs: settings.get(DOCS)?,
            docs_client: settings.find(DOCS_CLIENT)?,
            common,
            issuer,
            audience,
        };
        Ok((config, settings))
    }
}

/// RFC 8414 section 2: an issuer is an https URL without query and fragment. `http` will do on a developer's machine.
fn issuer(settings: &Settings, environment: Environment) -> Result<String, ConfigError> {
    let (text, url) = absolute_uri(settings, ISSUER)?;
    require_https(settings, ISSUER, &url, environment)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(settings.refuse(ISSUER, &format!("is `{text}`, but an issuer has neither query nor fragment")));
    }
    Ok(text)
}

fn max_connections(settings: &Settings) -> Result<usize, ConfigError> {
    let most: usize = settings.get(MAX_CLIENTS)?;
    if (1..=1_000_000).contains(&most) {
        return Ok(most);
    }
    Err(settings.refuse(MAX_CLIENTS, &format!("is `{most}`: it has to be from 1 to 1000000")))
}

/// A proof is made for an address.
fn requires_dpop(settings: &Settings) -> Result<bool, ConfigError> {
    let is_required = settings.get(DPOP_REQUIRED)?;
    let (_, audience) = absolute_uri(settings, AUDIENCE)?;
    if is_required && !matches!(audience.scheme(), "http" | "https") {
        return Err(settings.refuse(DPOP_REQUIRED, &format!("needs an http or https address as {AUDIENCE}")));
    }
    Ok(is_required)
}

fn absolute_uri(settings: &Settings, name: &str) -> Result<(String, Url), ConfigError> {
    let text: String = settings.get(name)?;
    let url =
        Url::parse(&text).map_err(|error| settings.refuse(name, &format!("is `{text}`, which is no URI: {error}")))?;
    Ok((text, url))
}

fn require_https(settings: &Settings, name: &str, url: &Url, environment: Environment) -> Result<(), ConfigError> {
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if environment == Environment::Dev && is_loopback => Ok(()),
        _ => {
            Err(settings
                .refuse(name, &format!("is `{url}`: it must be https (http only on loopback with MYAPI_ENV=dev)")))
        }
    }
}
