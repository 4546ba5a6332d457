//! Settings by layers: flags > environment > `.env` > `--config FILE` (TOML) > defaults.
//!
//! A setting is known by the name of its environment variable, `MYAPI_AUTH__BIND`; in TOML that is `bind` in table
//! `[auth]`. Every name is declared in a [`Setting`] table: an unknown `MYAPI_` name is an error that suggests the
//! nearest, so that a typing error never becomes a silent default. A secret may come from a file instead, by its name
//! with `_FILE`. Errors name the variable and where it was set; no message repeats a secret's value.

mod common;
mod layers;
mod origins;
mod settings;

pub use common::{ACCEPT_NEWER, COMMON, CommonConfig, DatabaseConfig, Environment, address};
pub use layers::Sources;
pub use settings::{ConfigError, Settings};

/// One setting that a service knows.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable, such as `MYAPI_AUTH__BIND`.
    pub name: &'static str,
    /// What holds when nobody sets it; `None` where there is no default.
    pub default: Option<&'static str>,
    /// Never printed; may be given as `NAME_FILE`.
    pub is_secret: bool,
    /// One line for `config show` and the README.
    pub help: &'static str,
}

impl Setting {
    /// A setting with a default.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, default: Some(default), is_secret: false, help }
    }

    /// A setting that holds nothing unless it is set.
    #[must_use]
    pub const fn optional(name: &'static str, help: &'static str) -> Self {
        Self { name, default: None, is_secret: false, help }
    }

    /// A secret: without default, never printed, with a `_FILE` twin.
    #[must_use]
    pub const fn secret(name: &'static str, help: &'static str) -> Self {
        Self { name, default: None, is_secret: true, help }
    }
}
