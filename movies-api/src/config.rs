//! Settings of this service, and its limits.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use shared::config::{CommonConfig, ConfigError, Environment, Setting, Settings, Sources};
use shared::token::bearer::Limit;
use shared::token::source::{KeySource, KeysOptions};
use url::Url;

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

/// The part of the variables' names that is this service's own: `MYAPI_MOVIES__…`.
pub const SECTION: &str = "MOVIES";

const BIND: &str = "MYAPI_MOVIES__BIND";
const ISSUER: &str = "MYAPI_MOVIES__ISSUER";
const AUDIENCE: &str = "MYAPI_MOVIES__AUDIENCE";
const PUBLIC_KEY_FILE: &str = "MYAPI_MOVIES__PUBLIC_KEY_FILE";
const JWKS_FILE: &str = "MYAPI_MOVIES__JWKS_FILE";
const JWKS_URL: &str = "MYAPI_MOVIES__JWKS_URL";
const JWKS_ALLOW_HTTP: &str = "MYAPI_MOVIES__JWKS_ALLOW_HTTP";
const KEY_CACHE: &str = "MYAPI_MOVIES__KEY_CACHE";
const REVOCATIONS: &str = "MYAPI_MOVIES__REVOCATIONS";
const REPORTS: &str = "MYAPI_MOVIES__REPORTS";
const CLIENT_ID: &str = "MYAPI_MOVIES__CLIENT_ID";
const CLIENT_SECRET: &str = "MYAPI_MOVIES__CLIENT_SECRET";
const DIRECT_DATABASE_URL: &str = "MYAPI_MOVIES__DIRECT_DATABASE_URL";
const DPOP_REQUIRED: &str = "MYAPI_MOVIES__DPOP_REQUIRED";
const CORS_ORIGINS: &str = "MYAPI_MOVIES__CORS_ORIGINS";
const DOCS: &str = "MYAPI_MOVIES__DOCS";
const MAX_CLIENTS: &str = "MYAPI_MOVIES__MAX_CONNECTIONS";
/// Where `/metrics` is.
pub const METRICS_BIND: &str = "MYAPI_MOVIES__METRICS_BIND";
const LIMIT_SUBJECT: &str = "MYAPI_MOVIES__LIMIT_SUBJECT";
const LIMIT_CLIENT: &str = "MYAPI_MOVIES__LIMIT_CLIENT";
const DOCS_CLIENT: &str = "MYAPI_MOVIES__DOCS_CLIENT";

/// Every setting of this service.
pub const SETTINGS: &[Setting] = &[
    Setting::new(BIND, "127.0.0.1:8000", "address and port to listen on"),
    Setting::new(
        ISSUER,
        "http://127.0.0.1:8001",
        "the auth-server whose tokens are trusted, exactly as in their `iss`",
    ),
    Setting::new(AUDIENCE, "http://127.0.0.1:8000", "the name of this API, which tokens carry in their `aud`"),
    Setting::optional(PUBLIC_KEY_FILE, "the auth-server's public key as a PEM file (one of three ways to give keys)"),
    Setting::optional(JWKS_FILE, "the auth-server's public keys as a JWK Set file"),
    Setting::optional(
        JWKS_URL,
        "where the auth-server publishes its keys, such as http://127.0.0.1:8001/.well-known/jwks.json",
    ),
    Setting::new(
        JWKS_ALLOW_HTTP,
        "false",
        "true takes keys and revocations, and sends reports, by plain http to other hosts too: only on a network that is the services' own",
    ),
    Setting::optional(
        KEY_CACHE,
        "a file that keeps the keys of JWKS_URL for a start while the auth-server is down; of each process its own",
    ),
    Setting::new(
        REVOCATIONS,
        "database",
        "where it learns what was revoked: `database`, the auth-server's /revocations as a URL, or `off`",
    ),
    Setting::new(
        REPORTS,
        "database",
        "where it tells which keys it holds: `database`, the auth-server's /resource_server_report as a URL, or `off`",
    ),
    Setting::optional(CLIENT_ID, "the confidential client that reports to a URL: one with `--serves` this API"),
    Setting::secret(CLIENT_SECRET, "the secret of that client"),
    Setting::new(
        DPOP_REQUIRED,
        "false",
        "true takes tokens that are bound to a key by DPoP alone; clients have to reach this API at its AUDIENCE",
    ),
    Setting::optional(
        CORS_ORIGINS,
        "origins whose pages may call this API, separated by commas; in dev the pair's own two",
    ),
    Setting::new(DOCS, "true", "false takes /docs and /openapi.json away"),
    Setting::new(
        MAX_CLIENTS,
        "16384",
        "the most connections of clients; more are answered 503 and closed; 1 to 1000000, as the limit of open files allows",
    ),
    Setting::optional(METRICS_BIND, "address and port for Prometheus to read `/metrics` from; off unless set"),
    Setting::optional(
        DOCS_CLIENT,
        "the public client that stands in the login of /docs; one of its redirect URIs is this API's /docs/oauth2-redirect.html",
    ),
    Setting::new(
        LIMIT_SUBJECT,
        "10000:1000/s",
        "requests of one user at once, then each second (`/m` minute, `/h` hour); `off` for no limit",
    ),
    Setting::new(LIMIT_CLIENT, "50000:5000/s", "the same of all users of one client together"),
    Setting::secret("MYAPI_MOVIES__DATABASE_URL", "Postgres URL of this service alone, instead of MYAPI_DATABASE__…"),
    Setting::secret(
        DIRECT_DATABASE_URL,
        "Postgres URL of a session on the primary, where the other goes through a pooler or to a standby: for news of \
         revocations, `import`, and what a standby does not take",
    ),
];

/// Connections for what runs beside the requests: one reads revocations, one listens for hints, one reports.
pub const BACKGROUND_CONNECTIONS: u32 = 3;

/// Where this service learns what was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationSource {
    /// Nowhere: a revoked token is good until it ends.
    Off,
    /// From `myapi.revocations`.
    Database,
    /// From the auth-server.
    Url(Url),
}

impl FromStr for RevocationSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "off" => Ok(Self::Off),
            "database" => Ok(Self::Database),
            url => Url::parse(url).map(Self::Url).map_err(|_| "it is `database`, `off`, or a URL"),
        }
    }
}

/// Where this service tells which keys it holds, so that a new key signs only when it has it.
#[derive(Clone, Debug)]
pub enum ReportTarget {
    /// Nowhere: rotation does not wait for it.
    Off,
    /// The function of the auth-server's database.
    Database,
    /// The auth-server.
    Url {
        /// Its `/resource_server_report`.
        url: Url,
        /// The client that reports.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
    },
}

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

fn key_source(settings: &Settings, environment: Environment) -> Result<KeySource, ConfigError> {
    let pem: Option<PathBuf> = settings.find(PUBLIC_KEY_FILE)?;
    let jwks: Option<PathBuf> = settings.find(JWKS_FILE)?;
    let url: Option<Url> = settings.find(JWKS_URL)?;
    match (pem, jwks, url) {
        (Some(path), None, None) => Ok(KeySource::Pem(path)),
        (None, Some(path), None) => Ok(KeySource::JwksFile(path)),
        (None, None, Some(url)) => {
            if !settings.get::<bool>(JWKS_ALLOW_HTTP)? {
                require_https(settings, JWKS_URL, &url, environment)?;
            }
            Ok(KeySource::JwksUrl(url))
        }
        (None, None, None) => Err(ConfigError::Missing {
            name: format!("{PUBLIC_KEY_FILE}, {JWKS_FILE} or {JWKS_URL}"),
            help: "without a public key of the auth-server no token can be checked".to_owned(),
        }),
        (Some(_), ..) => Err(settings.refuse(PUBLIC_KEY_FILE, "is not the only source of keys: keep one of the three")),
        _ => Err(settings.refuse(JWKS_FILE, "is not the only source of keys: keep one of the three")),
    }
}

fn revocations(settings: &Settings, environment: Environment) -> Result<RevocationSource, ConfigError> {
    let source: RevocationSource = settings.get(REVOCATIONS)?;
    if let RevocationSource::Url(url) = &source
        && !settings.get::<bool>(JWKS_ALLOW_HTTP)?
    {
        require_https(settings, REVOCATIONS, url, environment)?;
    }
    Ok(source)
}

fn reports(settings: &Settings, environment: Environment) -> Result<ReportTarget, ConfigError> {
    let text: String = settings.get(REPORTS)?;
    let url = match text.trim() {
        "off" => return Ok(ReportTarget::Off),
        "database" => return Ok(ReportTarget::Database),
        url => Url::parse(url).map_err(|_| settings.refuse(REPORTS, "is not `database`, `off`, or a URL"))?,
    };
    if !settings.get::<bool>(JWKS_ALLOW_HTTP)? {
        require_https(settings, REPORTS, &url, environment)?;
    }
    let client_id = settings.find(CLIENT_ID)?.ok_or_else(|| settings.missing(CLIENT_ID))?;
    let client_secret = settings.find_secret(CLIENT_SECRET)?.ok_or_else(|| settings.missing(CLIENT_SECRET))?;
    Ok(ReportTarget::Url { url, client_id, client_secret })
}

/// Looked at now, because whoever mistypes it would find out in the first outage. Beside a key file it is of no use and no
/// harm.
fn key_cache(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    let Some(path) = settings.find::<PathBuf>(KEY_CACHE)? else { return Ok(None) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        let reason = format!("is `{}`: it has to be a file in a folder that is there", path.display());
        return Err(settings.refuse(KEY_CACHE, &reason));
    }
    Ok(Some(path))
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
