//! What the layers came to, read by name and type.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

use super::layers::{self, Layered, PREFIX, Sources};
use super::{COMMON, Setting};

/// Why the settings cannot be used. Each text names the variable or the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read or parsed.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that no service knows.
    #[error("{name} (from {origin}) is not a setting{}", suggestion.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown {
        /// The name as it was written.
        name: String,
        /// The layer it stands in.
        origin: String,
        /// The nearest known name, if one is near.
        suggestion: Option<String>,
    },
    /// A value that does not fit.
    #[error("{name} (from {origin}) {reason}")]
    Invalid {
        /// The variable.
        name: String,
        /// The layer it came from.
        origin: String,
        /// What is wrong and what would do.
        reason: String,
    },
    /// Needed and not set.
    #[error("{name} is not set: {help}")]
    Missing {
        /// The variable.
        name: String,
        /// What it is for.
        help: String,
    },
}

/// Settings of one service, checked for unknown names.
#[derive(Clone)]
pub struct Settings {
    values: BTreeMap<String, Layered>,
    known: Vec<Setting>,
    notices: Vec<String>,
}

impl Settings {
    /// Reads all layers for the service whose settings begin with `MYAPI_{section}__`, such as `AUTH`.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that cannot be read and for a name that nobody knows.
    pub fn load(section: &str, own: &[Setting], sources: &Sources) -> Result<Self, ConfigError> {
        let known: Vec<Setting> = COMMON.iter().chain(own).copied().collect();
        let values = layers::collect(sources, &known)?;
        let mut settings = Self { values, known, notices: Vec::new() };
        settings.drop_foreign_names(section)?;
        Ok(settings)
    }

    /// A value as its type, or `None` when it is neither set nor defaulted. An empty text counts as not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the parser's reason.
    pub fn find<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        match value.text.trim().parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(error) if self.is_secret(name) => {
                let _ = error;
                Err(Self::invalid(name, &value, "cannot be read (its value is secret and not shown)"))
            }
            Err(error) => Err(Self::invalid(name, &value, &format!("is `{}`: {error}", value.text))),
        }
    }

    /// A value as its type.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] when it is not set, [`ConfigError::Invalid`] when it does not parse.
    pub fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, ConfigError> {
        self.find(name)?.ok_or_else(|| self.missing(name))
    }

    /// A comma separated list; empty when not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the item that does not parse.
    pub fn list<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Vec<T>, ConfigError> {
        let Some(value) = self.value(name)? else { return Ok(Vec::new()) };
        let items = value.text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items
            .map(|item| {
                item.parse().map_err(|error| Self::invalid(name, &value, &format!("has the item `{item}`: {error}")))
            })
            .collect()
    }

    /// A secret, from the variable or from the file that its `_FILE` twin names.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when both are set, [`ConfigError::File`] when the file cannot be read.
    pub fn find_secret(&self, name: &str) -> Result<Option<SecretString>, ConfigError> {
        Ok(self.value(name)?.map(|value| SecretString::from(value.text.trim().to_owned())))
    }

    /// An error about a value that parsed but does not fit, naming where it was set.
    #[must_use]
    pub fn refuse(&self, name: &str, reason: &str) -> ConfigError {
        let unset = Layered { text: String::new(), origin: "default".to_owned() };
        Self::invalid(name, self.values.get(name).unwrap_or(&unset), reason)
    }

    /// An error that says what the missing setting is for.
    #[must_use]
    pub fn missing(&self, name: &str) -> ConfigError {
        let help = self.known.iter().find(|setting| setting.name == name).map_or("", |setting| setting.help);
        ConfigError::Missing { name: name.to_owned(), help: help.to_owned() }
    }

    /// What an operator should hear once, such as names of the old application that have no use here.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Each known setting with its value and origin; secrets read `(set)`.
    pub fn show(&self) -> impl Iterator<Item = (Setting, Option<String>, String)> {
        self.known.iter().map(|setting| {
            let twin = format!("{}_FILE", setting.name);
            let value = self.values.get(setting.name).filter(|value| !value.text.is_empty());
            let value = value.or_else(|| self.values.get(&twin).filter(|_| setting.is_secret));
            let text = value.map(|value| if setting.is_secret { "(set)".to_owned() } else { value.text.clone() });
            (*setting, text, value.map_or_else(|| "unset".to_owned(), |value| value.origin.clone()))
        })
    }

    fn value(&self, name: &str) -> Result<Option<Layered>, ConfigError> {
        let direct = self.values.get(name).filter(|value| !value.text.trim().is_empty());
        let twin_name = format!("{name}_FILE");
        let twin = self.values.get(&twin_name).filter(|value| self.is_secret(name) && !value.text.trim().is_empty());
        match (direct, twin) {
            (Some(_), Some(twin)) => Err(Self::invalid(&twin_name, twin, &format!("is set beside {name}: keep one"))),
            (direct, None) => Ok(direct.cloned()),
            (None, Some(twin)) => {
                let text = std::fs::read_to_string(twin.text.trim()).map_err(|error| {
                    Self::invalid(&twin_name, twin, &format!("names the file `{}`: {error}", twin.text))
                })?;
                if text.trim().is_empty() {
                    return Err(Self::invalid(&twin_name, twin, &format!("names an empty file, `{}`", twin.text)));
                }
                Ok(Some(Layered { text, origin: format!("{} file", twin.origin) }))
            }
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        self.known.iter().any(|setting| setting.name == name && setting.is_secret)
    }

    fn invalid(name: &str, value: &Layered, reason: &str) -> ConfigError {
        ConfigError::Invalid { name: name.to_owned(), origin: value.origin.clone(), reason: reason.to_owned() }
    }

    /// Passes over what belongs to other services and to the old application; refuses what belongs to nobody.
    fn drop_foreign_names(&mut self, section: &str) -> Result<(), ConfigError> {
        let names: Vec<String> = self.values.keys().cloned().collect();
        for name in names {
            let base = name.strip_suffix("_FILE").filter(|base| self.is_secret(base)).unwrap_or(&name);
            if self.known.iter().any(|setting| setting.name == base) {
                continue;
            }
            match self.judge(&name, section)? {
                Foreign::Silent => {}
                Foreign::Notice(text) => self.notices.push(text),
            }
            if name != "MYAPI_DATABASE__DSN" {
                self.values.remove(&name);
            }
        }
        Ok(())
    }

    fn judge(&self, name: &str, section: &str) -> Result<Foreign, ConfigError> {
        let value = self.values.get(name);
        let text = value.map_or("", |value| value.text.as_str());
        match name {
            "MYAPI_TOKEN_KEY" => {
                return Ok(Foreign::Notice(format!(
                    "{name} has no use here: tokens are signed with the keys of `auth-server key`"
                )));
            }
            "MYAPI_DATABASE__DSN" => {
                return Ok(Foreign::Notice(format!(
                    "{name} is read as the database of every MYAPI_ENV; better name it MYAPI_DATABASE__DEV, __STAGE or __PROD"
                )));
            }
            "MYAPI_DATABASE__TARGET_SCHEMA" if text == "myapi" => {
                return Ok(Foreign::Notice(format!("{name} has no use here: the schema is always myapi")));
            }
            "MYAPI_DATABASE__TARGET_SCHEMA" => {
                return Err(self.refuse(name, &format!("is `{text}`, but the schema is always myapi")));
            }
            _ => {}
        }
        let suggestion = self.nearest(name);
        let foreign_section = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")).map(|(first, _)| first);
        let is_foreign = foreign_section.is_some_and(|first| {
            first != "DATABASE" && first != section && strsim::damerau_levenshtein(first, section) > 2
        });
        // What tests and builds are told may well be in the environment of the binaries too.
        if is_foreign || name.starts_with("MYAPI_TEST_") || name == "MYAPI_COMMIT" {
            return Ok(Foreign::Silent);
        }
        let origin = value.map_or_else(String::new, |value| value.origin.clone());
        Err(ConfigError::Unknown { name: name.to_owned(), origin, suggestion })
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let by_distance = |setting: &Setting| (strsim::damerau_levenshtein(name, setting.name), setting.name);
        let (distance, nearest) = self.known.iter().map(by_distance).min()?;
        (distance <= name.len() / 3).then(|| nearest.to_owned())
    }
}

enum Foreign {
    Silent,
    Notice(String),
}
