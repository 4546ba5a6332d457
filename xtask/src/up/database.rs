//! Which database: a private one, or somebody's own, with which `up` is careful.

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::cli::Up;
use crate::environment::Environment;

/// The setting that names somebody's own database.
pub const SETTING: &str = "MYAPI_DATABASE__DEV";

/// The database of this run.
#[derive(Clone, Debug)]
pub enum Database {
    /// One that this program starts.
    Private,
    /// The one that [`SETTING`] names.
    Given(Given),
}

/// Somebody's own database. Shown by host and name, never with its password.
#[derive(Clone)]
pub struct Given {
    /// The whole URL.
    pub url: String,
    host: String,
    name: String,
}

impl Database {
    /// The one that the settings name, else a private one.
    ///
    /// # Errors
    /// When the URL cannot be read, or an option does not go with somebody's own database.
    pub fn choose(environment: &Environment, options: &Up) -> Result<Self> {
        let Some(url) = environment.find(SETTING) else {
            return Ok(Self::Private);
        };
        if options.reset {
            bail!(
                "--reset deletes only what `up` made, and {SETTING} names a database of yours: unset it, or reset that database yourself"
            );
        }
        if options.ephemeral {
            bail!(
                "--ephemeral is for a private database, and {SETTING} names one of yours: unset it, or leave the option away"
            );
        }
        Given::parse(url).map(Self::Given)
    }
}

impl Given {
    fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").with_context(|| format!("{SETTING} is not a URL"))?;
        let driver = scheme.split('+').next().unwrap_or(scheme);
        if driver != "postgres" && driver != "postgresql" {
            bail!("{SETTING} is not a Postgres URL: it starts with `{scheme}`");
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let (front, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = front.split_once('/').unwrap_or((front, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| decode(value)).next_back()
        };
        let host = parameter("host").unwrap_or_else(|| decode(host));
        let name = parameter("dbname").unwrap_or_else(|| decode(path));
        let or_default = |text: String| {
            if text.is_empty() { "(default)".to_owned() } else { text }
        };
        Ok(Self { url: url.to_owned(), host: or_default(host), name: or_default(name) })
    }

    /// Host and database as a folder's name.
    pub fn folder_name(&self) -> String {
        let text = format!("{}-{}", self.host, self.name);
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' }).collect()
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.name, self.host)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({self})")
    }
}

/// Decodes `%41`; what is no such code stays.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let coded = hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(coded.unwrap_or(first));
        rest = if coded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Up = Up { reset: false, ephemeral: false, yes: false, demo: false, release: false, bin_dir: None };

    #[test]
    fn a_given_database_is_shown_by_host_and_name_without_its_password() {
        for (url, shown) in [
            ("postgres://me:s3cret@db.example.com:5433/shop?sslmode=require", "shop on db.example.com:5433"),
            ("postgresql+psycopg2://me:s3cret%40x@localhost/my%20api", "my api on localhost"),
            ("postgres://me:s3cret@localhost/a?host=%2Frun%2Fpg&dbname=b", "b on /run/pg"),
            ("postgres://me:s3@cret@h", "(default) on h"),
        ] {
            let given = Given::parse(url).unwrap();
            assert_eq!(given.to_string(), shown);
            assert!(!format!("{given:?}").contains("s3"));
        }
    }

    #[test]
    fn what_is_no_postgres_url_is_refused_without_showing_it() {
        for url in ["mysql://me:s3cret@h/d", "s3cret"] {
            let error = Given::parse(url).unwrap_err().to_string();
            assert!(error.contains(SETTING) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn reset_and_ephemeral_are_refused_on_a_given_database() {
        let environment = Environment::of(&[(SETTING, "postgres://h/d")]);
        assert!(Database::choose(&environment, &Up { reset: true, ..OPTIONS }).is_err());
        assert!(Database::choose(&environment, &Up { ephemeral: true, ..OPTIONS }).is_err());
        assert!(matches!(Database::choose(&environment, &OPTIONS), Ok(Database::Given(_))));
        assert!(matches!(Database::choose(&Environment::of(&[(SETTING, "")]), &OPTIONS), Ok(Database::Private)));
    }

    #[test]
    fn a_folder_is_named_after_the_database() {
        assert_eq!(Given::parse("postgres://h:1/a%2Fb").unwrap().folder_name(), "h_1-a_b");
    }
}
