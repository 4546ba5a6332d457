//! Settings of the services as this program sees them: the environment, then `.env` in the current folder, which is
//! the services' own order.

use std::collections::HashMap;
use std::env;

use anyhow::{Context, Result};

/// The environment with `.env` behind it.
#[derive(Debug, Default)]
pub struct Environment {
    dotenv: HashMap<String, String>,
    process: HashMap<String, String>,
}

impl Environment {
    /// Reads both.
    ///
    /// # Errors
    /// When `.env` is there and cannot be read.
    pub fn read() -> Result<Self> {
        let dotenv = match dotenvy::from_path_iter(".env") {
            Ok(lines) => lines.collect::<Result<_, _>>().context("cannot read .env")?,
            Err(error) if error.not_found() => HashMap::new(),
            Err(error) => return Err(error).context("cannot read .env"),
        };
        let process = env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Ok(Self { dotenv, process: process.collect() })
    }

    /// The value of `name`, if it is set to something.
    pub fn find(&self, name: &str) -> Option<&str> {
        let value = self.process.get(name).or_else(|| self.dotenv.get(name));
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let process = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { process, dotenv: HashMap::new() }
    }
}
