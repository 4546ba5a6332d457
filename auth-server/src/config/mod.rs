//! The settings of this service, read and checked.

mod issuer;
mod limits;
mod proxies;
mod settings;

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use shared::config::{CommonConfig, ConfigError, Environment, Settings, Sources};
use shared::token::scope::ScopeSet;
use url::Url;

pub use self::issuer::Issuer;
pub use self::proxies::TrustedProxies;
pub use self::settings::{METRICS_BIND, SECTION, SETTINGS};
use crate::clients::ClientId;
use crate::devices::DeviceSettings;
use crate::keys::{self, KekRing, KekRingError};
use crate::passwords;
use crate::sessions::SessionSettings;
use crate::tokens::RefreshSettings;

/// The checked settings of auth-server.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Environment and database.
    pub common: CommonConfig,
    /// Address to listen on.
    pub bind: SocketAddr,
    /// The most connections of clients.
    pub max_connections: usize,
    /// Where to tell Prometheus how it goes, if anywhere.
    pub metrics_bind: Option<SocketAddr>,
    /// `iss`, exactly as configured.
    pub issuer: Issuer,
    /// `aud` of the movies API.
    pub audience: String,
    /// The most connections of the pool.
    pub database_connections: u32,
    /// How long a start waits for a database that does not answer.
    pub database_patience: Duration,
    /// Opens the signing keys; not needed by every command.
    pub key_encryption_key: Option<SecretString>,
    /// Earlier key encryption keys, newest first.
    pub previous_key_encryption_keys: Vec<SecretString>,
    /// How soon a key that another replica or the command line made is known here.
    pub key_reload: Duration,
    /// How long a key signs; `None`: until an operator rotates.
    pub key_rotation: Option<Duration>,
    /// Who a request without client counts as.
    pub default_client: Option<ClientId>,
    /// Origins whose pages may call `/token`.
    pub cors_origins: Vec<String>,
    /// Whether `/docs` and `/openapi.json` are there.
    pub has_docs: bool,
    /// Scopes of users that have none of their own.
    pub user_scopes: ScopeSet,
    /// Life of an access token.
    pub access_token_ttl: Duration,
    /// Lives of refresh tokens.
    pub refresh: RefreshSettings,
    /// Whether DPoP proofs have to carry a nonce of ours.
    pub has_dpop_nonces: bool,
    /// Life of an authorization code.
    pub code_ttl: Duration,
    /// How long devices wait for their approval.
    pub devices: DeviceSettings,
    /// How long a pushed authorization request can begin.
    pub pushed_request_ttl: Duration,
    /// Whether every client has to push its authorization requests.
    pub requires_pushed_requests: bool,
    /// Lives of browser sessions.
    pub sessions: SessionSettings,
    /// How often partitions are made and dropped.
    pub housekeeping: Duration,
    /// How long audit events are kept; `None`: for ever.
    pub audit_retention: Option<Duration>,
    /// How long others may keep the public keys.
    pub jwks_max_age: Duration,
    /// Cost, queue and policy of passwords.
    pub passwords: passwords::Settings,
    /// How often somebody may fail.
    pub limits: crate::limits::Settings,
    /// Whose word about the client's address counts.
    pub trusted_proxies: TrustedProxies,
    /// What an operator should hear once at the start.
    pub notices: Vec<String>,
}

impl AuthConfig {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable and what would do.
    pub fn load(sources: &Sources) -> Result<(Self, Settings), ConfigError> {
        let settings = Settings::load(SECTION, SETTINGS, sources)?;
        let config = Self::read(&settings)?;
        Ok((config, settings))
    }

    fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let common = CommonConfig::read(settings, SECTION)?;
        let issuer = read_issuer(settings, common.environment)?;
        let audience = read_audience(settings)?;
        let cors_origins = common.origins(settings, "MYAPI_AUTH__CORS_ORIGINS", [issuer.as_str(), &audience])?;
        Ok(Self {
            bind: common.bind(settings, "MYAPI_AUTH__BIND")?,
            max_connections: bounded(settings, "MYAPI_AUTH__MAX_CONNECTIONS", 1, 1_000_000)?,
            metrics_bind: common.find_bind(settings, METRICS_BIND)?,
            database_connections: bounded(settings, "MYAPI_AUTH__DATABASE_CONNECTIONS", 1, 1000)?,
            database_patience: seconds(settings, "MYAPI_AUTH__DATABASE_PATIENCE", 0, 3600)?,
            key_encryption_key: settings.find_secret("MYAPI_AUTH__KEY_ENCRYPTION_KEY")?,
            previous_key_encryption_keys: read_previous_keys(settings)?,
            key_reload: seconds(settings, "MYAPI_AUTH__KEY_RELOAD", 1, 3600)?,
            key_rotation: read_key_rotation(settings)?,
            default_client: settings.find("MYAPI_AUTH__DEFAULT_CLIENT")?,
            has_docs: settings.get("MYAPI_AUTH__DOCS")?,
            user_scopes: settings.get("MYAPI_AUTH__USER_SCOPES")?,
            access_token_ttl: seconds(settings, "MYAPI_AUTH__ACCESS_TOKEN_TTL", 3, 86_400)?,
            refresh: read_refresh(settings)?,
            has_dpop_nonces: settings.get("MYAPI_AUTH__DPOP_NONCES")?,
            code_ttl: seconds(settings, "MYAPI_AUTH__CODE_TTL", 1, 60)?,
            devices: DeviceSettings {
                ttl: seconds(settings, "MYAPI_AUTH__DEVICE_CODE_TTL", 60, 3600)?,
                interval: seconds(settings, "MYAPI_AUTH__DEVICE_INTERVAL", 1, 60)?,
            },
            pushed_request_ttl: seconds(settings, "MYAPI_AUTH__PUSHED_REQUEST_TTL", 5, 90)?,
            requires_pushed_requests: settings.get("MYAPI_AUTH__REQUIRE_PUSHED_REQUESTS")?,
            sessions: read_sessions(settings)?,
            housekeeping: seconds(settings, "MYAPI_AUTH__HOUSEKEEPING", 1, 86_400)?,
            audit_retention: read_audit_retention(settings)?,
            jwks_max_age: seconds(settings, "MYAPI_AUTH__JWKS_MAX_AGE", 10, 86_400)?,
            passwords: read_passwords(settings, common.environment, context_words(&issuer, &audience))?,
            limits: limits::read(settings)?,
            trusted_proxies: settings.find("MYAPI_AUTH__TRUSTED_PROXIES")?.unwrap_or_default(),
            notices: settings.notices().to_vec(),
            common,
            issuer,
            audience,
            cors_origins,
        })
    }

    /// The key encryption keys, which open the signing keys.
    ///
    /// # Errors
    /// [`KekRingError`] naming the variable.
    pub fn key_ring(&self) -> Result<KekRing, KekRingError> {
        KekRing::from_settings(self.key_encryption_key.as_ref(), &self.previous_key_encryption_keys)
    }

    /// When signing keys change. A key is published until every copy of the JWK Set is renewed, and every replica of
    /// this server has read it.
    #[must_use]
    pub fn key_schedule(&self) -> keys::Schedule {
        keys::Schedule { signs_for: self.key_rotation, published_for: self.jwks_max_age.max(self.key_reload * 2) }
    }

    /// True in the environment in which weak settings are allowed with a warning.
    #[must_use]
    pub fn is_dev(&self) -> bool {
        self.common.environment == Environment::Dev
    }
}

fn read_issuer(settings: &Settings, environment: Environment) -> Result<Issuer, ConfigError> {
    let issuer: Issuer = settings.get("MYAPI_AUTH__ISSUER")?;
    let is_loopback = issuer.url().host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "[::1]" | "localhost"));
    if !issuer.is_https() && (environment != Environment::Dev || !is_loopback) {
        let reason = format!("is `{}`, but http is only for MYAPI_ENV=dev on loopback: use https", issuer.as_str());
        return Err(settings.refuse("MYAPI_AUTH__ISSUER", &reason));
    }
    Ok(issuer)
}

fn read_audience(settings: &Settings) -> Result<String, ConfigError> {
    let audience: String = settings.get("MYAPI_AUTH__AUDIENCE")?;
    match Url::parse(&audience) {
        Ok(url) if url.fragment().is_none() => Ok(audience),
        _ => {
            Err(settings.refuse("MYAPI_AUTH__AUDIENCE", "is not an absolute URI without fragment (RFC 8707 section 2)"))
        }
    }
}

fn read_previous_keys(settings: &Settings) -> Result<Vec<SecretString>, ConfigError> {
    use secrecy::ExposeSecret;
    let all = settings.find_secret("MYAPI_AUTH__KEY_ENCRYPTION_KEY_PREVIOUS")?;
    let all = all.as_ref().map_or("", |all| all.expose_secret());
    Ok(all.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty()).map(SecretString::from).collect())
}

fn read_key_rotation(settings: &Settings) -> Result<Option<Duration>, ConfigError> {
    const NAME: &str = "MYAPI_AUTH__KEY_ROTATION";
    let signs_for = seconds(settings, NAME, 0, 366 * 86_400)?;
    match signs_for.as_secs() {
        0 => Ok(None),
        3600.. => Ok(Some(signs_for)),
        _ => Err(settings.refuse(NAME, "is less than an hour: a key is published for a while before it signs")),
    }
}

fn read_audit_retention(settings: &Settings) -> Result<Option<Duration>, ConfigError> {
    const NAME: &str = "MYAPI_AUTH__AUDIT_RETENTION";
    let retention = seconds(settings, NAME, 0, 3650 * 86_400)?;
    match retention.as_secs() {
        0 => Ok(None),
        2_592_000.. => Ok(Some(retention)),
        _ => Err(settings.refuse(NAME, "is less than 30 days: whoever looks into an incident comes later than that")),
    }
}

fn read_refresh(settings: &Settings) -> Result<RefreshSettings, ConfigError> {
    const YEAR: u64 = 366 * 86_400;
    let refresh = RefreshSettings {
        idle: seconds(settings, "MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL", 3, YEAR)?,
        absolute: seconds(settings, "MYAPI_AUTH__REFRESH_TOKEN_TTL", 3, YEAR)?,
        retry_window: seconds(settings, "MYAPI_AUTH__REFRESH_RETRY_WINDOW", 0, 60)?,
    };
    if refresh.idle > refresh.absolute {
        let reason = "is more than MYAPI_AUTH__REFRESH_TOKEN_TTL: an unused token cannot outlive its login";
        return Err(settings.refuse("MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL", reason));
    }
    Ok(refresh)
}

fn read_sessions(settings: &Settings) -> Result<SessionSettings, ConfigError> {
    const YEAR: u64 = 366 * 86_400;
    let idle = seconds(settings, "MYAPI_AUTH__SESSION_IDLE_TTL", 60, YEAR)?;
    let absolute = seconds(settings, "MYAPI_AUTH__SESSION_TTL", 60, YEAR)?;
    if idle > absolute {
        let reason = "is more than MYAPI_AUTH__SESSION_TTL: an unused session cannot outlive its login";
        return Err(settings.refuse("MYAPI_AUTH__SESSION_IDLE_TTL", reason));
    }
    Ok(SessionSettings { idle, absolute })
}

/// The hosts of this deployment, which its users would think of when they choose a password.
fn context_words(issuer: &Issuer, audience: &str) -> Vec<String> {
    let urls = [Some(issuer.url().clone()), Url::parse(audience).ok()];
    urls.into_iter().flatten().filter_map(|url| url.host_str().map(str::to_owned)).collect()
}

fn read_passwords(
    settings: &Settings,
    environment: Environment,
    context_words: Vec<String>,
) -> Result<passwords::Settings, ConfigError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let lanes = match settings.find::<usize>("MYAPI_AUTH__PASSWORD_LANES")? {
        Some(_) => bounded(settings, "MYAPI_AUTH__PASSWORD_LANES", 1, 1024)?,
        None => cores,
    };
    let passwords = passwords::Settings {
        memory_kib: settings.get("MYAPI_AUTH__PASSWORD_MEMORY_KIB")?,
        iterations: bounded(settings, "MYAPI_AUTH__PASSWORD_ITERATIONS", 1, 32)?,
        parallelism: bounded(settings, "MYAPI_AUTH__PASSWORD_PARALLELISM", 1, 16)?,
        lanes,
        queue: bounded(settings, "MYAPI_AUTH__PASSWORD_QUEUE", 1, 65_536)?,
        minimum_length: bounded(settings, "MYAPI_AUTH__PASSWORD_MINIMUM_LENGTH", 8, 64)?,
        warn_only: environment == Environment::Dev,
        context_words,
        keep_bcrypt: settings.get("MYAPI_AUTH__KEEP_BCRYPT")?,
        ..passwords::Settings::default()
    };
    passwords.check().map_err(|error| settings.refuse("MYAPI_AUTH__PASSWORD_MEMORY_KIB", &error.to_string()))?;
    Ok(passwords)
}

fn bounded<T>(settings: &Settings, name: &str, least: T, most: T) -> Result<T, ConfigError>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let text: String = settings.get(name)?;
    match text.trim().parse() {
        Ok(value) if least <= value && value <= most => Ok(value),
        _ => Err(settings.refuse(name, &format!("is `{text}`, but it is a whole number from {least} to {most}"))),
    }
}

fn seconds(settings: &Settings, name: &str, least: u64, most: u64) -> Result<Duration, ConfigError> {
    bounded(settings, name, least, most).map(Duration::from_secs)
}
