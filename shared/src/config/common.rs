//! The settings that every service reads alike: which environment, which database.

use std::net::SocketAddr;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use super::{ConfigError, Setting, Settings};
use crate::cli::parse_address;
use crate::db;
use crate::traces::{self, TracesConfig};

/// Whether a database that a newer version has migrated is taken.
pub const ACCEPT_NEWER: &str = "MYAPI_DATABASE__ACCEPT_NEWER";

/// Settings without a service's section.
pub const COMMON: &[Setting] = &[
    Setting::new("MYAPI_ENV", "dev", "which database and how strict: dev (loopback only), stage or prod"),
    Setting::new(
        "MYAPI_DEV_BIND_ANY",
        "false",
        "true lets MYAPI_ENV=dev listen beyond loopback, for containers with a network of their own",
    ),
    Setting::secret("MYAPI_DATABASE__DEV", "Postgres URL for MYAPI_ENV=dev"),
    Setting::secret("MYAPI_DATABASE__STAGE", "Postgres URL for MYAPI_ENV=stage"),
    Setting::secret("MYAPI_DATABASE__PROD", "Postgres URL for MYAPI_ENV=prod"),
    Setting::new(
        ACCEPT_NEWER,
        "false",
        "true lets a version start on a database that a newer one has migrated: to go back to it, or in the middle of an upgrade",
    ),
    traces::SETTINGS[0],
    traces::SETTINGS[1],
    traces::SETTINGS[2],
];

/// Which of the three databases is used, and how strict a service is about secrets and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine: binds loopback only, `http` issuers are fine.
    Dev,
    /// Like production, with its own database.
    Stage,
    /// Production.
    Prod,
}

impl FromStr for Environment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "dev" => Ok(Self::Dev),
            "stage" => Ok(Self::Stage),
            "prod" => Ok(Self::Prod),
            _ => Err("it is one of dev, stage, prod"),
        }
    }
}

/// What every service needs to know before its own settings.
#[derive(Clone, Debug)]
pub struct CommonConfig {
    /// The environment.
    pub environment: Environment,
    /// The database.
    pub database: DatabaseConfig,
    /// The database by a session on the primary, where the other goes through a pooler or to a standby.
    pub direct: Option<DatabaseConfig>,
    /// Whether a database that a newer version has migrated is taken: migrations only add, so an older one can go on.
    pub accepts_newer: bool,
    /// Where traces go, if anywhere.
    pub traces: Option<TracesConfig>,
}

/// Where the database is.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Connection options; printing them shows no password.
    pub options: PgConnectOptions,
    /// The variable that named it, for messages.
    pub variable: String,
}

impl CommonConfig {
    /// Reads the environment and the database of a service with settings `MYAPI_{section}__…`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn read(settings: &Settings, section: &str) -> Result<Self, ConfigError> {
        let environment: Environment = settings.get("MYAPI_ENV")?;
        let own = format!("MYAPI_{section}__DATABASE_URL");
        let general = match environment {
            Environment::Dev => "MYAPI_DATABASE__DEV",
            Environment::Stage => "MYAPI_DATABASE__STAGE",
            Environment::Prod => "MYAPI_DATABASE__PROD",
        };
        let found = [own.as_str(), general, "MYAPI_DATABASE__DSN"]
            .into_iter()
            .find_map(|name| settings.find_secret(name).map(|url| url.map(|url| (name, url))).transpose());
        let (variable, url): (&str, SecretString) = found.ok_or_else(|| settings.missing(general))??;
        let options =
            db::connect_options(url.expose_secret()).map_err(|error| settings.refuse(variable, &error.to_string()))?;
        let database = DatabaseConfig { options, variable: variable.to_owned() };
        let (direct, accepts_newer) = (read_direct(settings, section)?, settings.get(ACCEPT_NEWER)?);
        Ok(Self { environment, database, direct, accepts_newer, traces: TracesConfig::read(settings)? })
    }

    /// The database by a session on the primary.
    #[must_use]
    pub fn direct_database(&self) -> &DatabaseConfig {
        self.direct.as_ref().unwrap_or(&self.database)
    }

    /// Reads an address to listen on; in `dev` it has to be loopback unless `MYAPI_DEV_BIND_ANY` is set.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn bind(&self, settings: &Settings, name: &str) -> Result<SocketAddr, ConfigError> {
        let text: String = settings.get(name)?;
        self.check_bind(settings, name, &text)
    }

    /// The same for a listener that may be left out.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn find_bind(&self, settings: &Settings, name: &str) -> Result<Option<SocketAddr>, ConfigError> {
        let text: Option<String> = settings.find(name)?;
        text.map(|text| self.check_bind(settings, name, &text)).transpose()
    }

    fn check_bind(&self, settings: &Settings, name: &str, text: &str) -> Result<SocketAddr, ConfigError> {
        let address = read_address(settings, name, text)?;
        let is_bound = self.environment == Environment::Dev && !settings.get::<bool>("MYAPI_DEV_BIND_ANY")?;
        if is_bound && !address.ip().is_loopback() {
            return Err(settings.refuse(
                name,
                &format!(
                    "is `{address}`, but MYAPI_ENV=dev listens on loopback only (127.0.0.1 or [::1]) unless \
                     MYAPI_DEV_BIND_ANY=true"
                ),
            ));
        }
        Ok(address)
    }
}

fn read_direct(settings: &Settings, section: &str) -> Result<Option<DatabaseConfig>, ConfigError> {
    let variable = format!("MYAPI_{section}__DIRECT_DATABASE_URL");
    let Some(url) = settings.find_secret(&variable)? else { return Ok(None) };
    let options =
        db::connect_options(url.expose_secret()).map_err(|error| settings.refuse(&variable, &error.to_string()))?;
    Ok(Some(DatabaseConfig { options, variable }))
}

/// Reads an address to listen on, whatever the environment.
///
/// # Errors
/// [`ConfigError`] naming the variable.
pub fn address(settings: &Settings, name: &str) -> Result<SocketAddr, ConfigError> {
    let text: String = settings.get(name)?;
    read_address(settings, name, &text)
}

fn read_address(settings: &Settings, name: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    parse_address(text.trim()).map_err(|reason| settings.refuse(name, &format!("is `{text}`: {reason}")))
}
