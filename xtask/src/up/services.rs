//! The two binaries with the settings of this run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::addresses::{self, Addresses};
use super::build::Programs;
use crate::environment::Environment;

/// Settings that would send a service to another database or to other keys than this run's.
const CONFLICTS: [&str; 6] = [
    "MYAPI_AUTH__DATABASE_URL",
    "MYAPI_AUTH__DIRECT_DATABASE_URL",
    "MYAPI_MOVIES__DATABASE_URL",
    "MYAPI_MOVIES__DIRECT_DATABASE_URL",
    "MYAPI_MOVIES__PUBLIC_KEY_FILE",
    "MYAPI_MOVIES__JWKS_FILE",
];

/// Settings by which somebody brings a key encryption key of their own.
const OWN_KEY: [&str; 2] = ["MYAPI_AUTH__KEY_ENCRYPTION_KEY", "MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE"];

/// Where movies-api keeps the public keys for a start while auth-server is down.
const KEY_CACHE: &str = "MYAPI_MOVIES__KEY_CACHE";

/// Builds calls of the binaries.
#[derive(Debug)]
pub struct Services {
    programs: Programs,
    settings: Vec<(&'static str, String)>,
    /// Where they listen.
    pub addresses: Addresses,
    /// The file for the key encryption key; `None` when the settings bring one.
    pub key_file: Option<PathBuf>,
    /// The folder of this run's secrets.
    pub home: PathBuf,
}

/// # Errors
/// When a setting in the environment or in `.env` does not go with what `command` (`up`) sets.
pub fn refuse_conflicts(command: &str, environment: &Environment) -> Result<()> {
    for name in CONFLICTS.iter().chain(["MYAPI_AUTH__DATABASE_URL_FILE", "MYAPI_MOVIES__DATABASE_URL_FILE"].iter()) {
        if environment.find(name).is_some() {
            bail!(
                "{name} is set, and `{command}` gives both services one database and each other's keys: unset it (MYAPI_DATABASE__DEV names a database for both)"
            );
        }
    }
    match environment.find("MYAPI_ENV") {
        Some(other) if other != "dev" => {
            bail!("MYAPI_ENV is `{other}`, and `{command}` is for `dev`: unset it")
        }
        _ => Ok(()),
    }
}

impl Services {
    /// The settings that make the two a pair. Issuer and audiences follow the addresses unless somebody set them.
    pub fn new(
        programs: Programs,
        environment: &Environment,
        addresses: Addresses,
        database: String,
        home: &Path,
    ) -> Self {
        let (auth, movies) = (addresses::url(addresses.auth), addresses::url(addresses.movies));
        let find = |names: [&str; 2], otherwise: &str| {
            names.iter().find_map(|name| environment.find(name)).unwrap_or(otherwise).to_owned()
        };
        let issuer = find(["MYAPI_AUTH__ISSUER", "MYAPI_MOVIES__ISSUER"], &auth);
        let audience = find(["MYAPI_AUTH__AUDIENCE", "MYAPI_MOVIES__AUDIENCE"], &movies);
        let mut settings = vec![
            ("MYAPI_ENV", "dev".to_owned()),
            ("MYAPI_DATABASE__DEV", database),
            ("MYAPI_AUTH__BIND", addresses.auth.to_string()),
            ("MYAPI_AUTH__ISSUER", issuer.clone()),
            ("MYAPI_AUTH__AUDIENCE", audience.clone()),
            ("MYAPI_MOVIES__BIND", addresses.movies.to_string()),
            ("MYAPI_MOVIES__ISSUER", issuer),
            ("MYAPI_MOVIES__AUDIENCE", audience),
            ("MYAPI_MOVIES__JWKS_URL", format!("{auth}/.well-known/jwks.json")),
        ];
        if environment.find(KEY_CACHE).is_none() {
            settings.push((KEY_CACHE, home.join("movies-api-keys.json").display().to_string()));
        }
        let has_own_key = OWN_KEY.iter().any(|name| environment.find(name).is_some());
        let key_file = (!has_own_key).then(|| home.join("key-encryption-key"));
        if let Some(file) = &key_file {
            settings.push(("MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE", file.display().to_string()));
        }
        Self { programs, settings, addresses, key_file, home: home.to_path_buf() }
    }

    /// The client that a form without client_id means from here on, and that the pages of documentation log in with.
    pub fn set_default_client(&mut self, client: &str) {
        for name in ["MYAPI_AUTH__DEFAULT_CLIENT", "MYAPI_MOVIES__DOCS_CLIENT"] {
            self.settings.push((name, client.to_owned()));
        }
    }

    /// `auth-server ARGS`.
    pub fn auth(&self, args: &[&str]) -> Command {
        self.command(&self.programs.auth, args)
    }

    /// `movies-api ARGS`.
    pub fn movies(&self, args: &[&str]) -> Command {
        self.command(&self.programs.movies, args)
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(services: &Services, name: &str) -> Option<String> {
        services.settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    }

    fn services(pairs: &[(&str, &str)]) -> Services {
        let environment = Environment::of(pairs);
        let programs = Programs { auth: "/bin/a".into(), movies: "/bin/m".into() };
        let addresses = Addresses::read(&environment).unwrap();
        Services::new(programs, &environment, addresses, "postgres://d".to_owned(), Path::new("/home"))
    }

    #[test]
    fn issuer_audience_and_keys_follow_the_addresses() {
        let made = services(&[("MYAPI_AUTH__BIND", "127.0.0.1:9001"), ("MYAPI_MOVIES__BIND", "127.0.0.1:9000")]);
        for (name, value) in [
            ("MYAPI_AUTH__ISSUER", "http://127.0.0.1:9001"),
            ("MYAPI_MOVIES__ISSUER", "http://127.0.0.1:9001"),
            ("MYAPI_AUTH__AUDIENCE", "http://127.0.0.1:9000"),
            ("MYAPI_MOVIES__AUDIENCE", "http://127.0.0.1:9000"),
            ("MYAPI_MOVIES__JWKS_URL", "http://127.0.0.1:9001/.well-known/jwks.json"),
        ] {
            assert_eq!(setting(&made, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn an_issuer_of_ones_own_reaches_both_services() {
        let made = services(&[("MYAPI_AUTH__ISSUER", "https://id.test")]);
        assert_eq!(setting(&made, "MYAPI_MOVIES__ISSUER").as_deref(), Some("https://id.test"));
    }

    #[test]
    fn a_key_encryption_key_of_ones_own_is_left_alone() {
        assert!(services(&[]).key_file.is_some());
        let made = services(&[("MYAPI_AUTH__KEY_ENCRYPTION_KEY", "AAAA")]);
        assert_eq!(made.key_file, None);
        assert_eq!(setting(&made, "MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE"), None);
    }

    #[test]
    fn the_public_keys_are_kept_with_the_secrets_unless_a_setting_says_where() {
        assert_eq!(setting(&services(&[]), KEY_CACHE).as_deref(), Some("/home/movies-api-keys.json"));
        assert_eq!(setting(&services(&[(KEY_CACHE, "/mine.json")]), KEY_CACHE), None);
    }

    #[test]
    fn settings_that_lead_elsewhere_are_refused_by_name() {
        for (name, value) in [("MYAPI_MOVIES__DATABASE_URL", "postgres://x"), ("MYAPI_ENV", "prod")] {
            let error = refuse_conflicts("up", &Environment::of(&[(name, value)])).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("postgres://x"), "{error}");
        }
        assert!(refuse_conflicts("up", &Environment::of(&[("MYAPI_ENV", "dev")])).is_ok());
    }
}
