//! `movies-api config`.

use anyhow::Context as _;
use shared::cli::{ConfigCommand, print_good, print_settings};
use shared::config::{Settings, Sources};
use shared::output::OutputFormat;
use shared::token::source::{KeySource, Keys, KeysOptions};

use crate::config::{Config, SECTION, SETTINGS};

pub(super) async fn run(command: ConfigCommand, sources: &Sources, output: OutputFormat) -> anyhow::Result<()> {
    match command {
        // Also settings that do not fit are shown: that is when somebody looks.
        ConfigCommand::Show => Ok(print_settings(&Settings::load(SECTION, SETTINGS, sources)?, output)?),
        ConfigCommand::Check => {
            let (config, settings) = Config::load(sources)?;
            // Asks neither network nor database: a URL's keys may well not be there yet.
            let keys = Keys::new(config.keys.clone(), KeysOptions::default())?;
            if !matches!(config.keys, KeySource::JwksUrl(_)) {
                keys.load().await.context("no token can be checked")?;
            }
            Ok(print_good(&settings, output)?)
        }
    }
}
