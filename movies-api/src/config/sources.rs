//! Where keys and news of revocations come from, and where reports go.

use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use shared::config::{ConfigError, Environment, Settings};
use shared::token::source::KeySource;
use url::Url;

use super::require_https;
use super::settings::{
    CLIENT_ID, CLIENT_SECRET, JWKS_ALLOW_HTTP, JWKS_FILE, JWKS_URL, KEY_CACHE, PUBLIC_KEY_FILE, REPORTS, REVOCATIONS,
};

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

pub(super) fn key_source(settings: &Settings, environment: Environment) -> Result<KeySource, ConfigError> {
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

pub(super) fn revocations(settings: &Settings, environment: Environment) -> Result<RevocationSource, ConfigError> {
    let source: RevocationSource = settings.get(REVOCATIONS)?;
    if let RevocationSource::Url(url) = &source
        && !settings.get::<bool>(JWKS_ALLOW_HTTP)?
    {
        require_https(settings, REVOCATIONS, url, environment)?;
    }
    Ok(source)
}

pub(super) fn reports(settings: &Settings, environment: Environment) -> Result<ReportTarget, ConfigError> {
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
pub(super) fn key_cache(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    let Some(path) = settings.find::<PathBuf>(KEY_CACHE)? else { return Ok(None) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        let reason = format!("is `{}`: it has to be a file in a folder that is there", path.display());
        return Err(settings.refuse(KEY_CACHE, &reason));
    }
    Ok(Some(path))
}
