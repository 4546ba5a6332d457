//! `auth-server config`.

use shared::cli::{ConfigCommand, print_good, print_settings};
use shared::config::{Settings, Sources};
use shared::output::OutputFormat;

use crate::config::{AuthConfig, SECTION, SETTINGS};

pub(super) fn run(command: ConfigCommand, sources: &Sources, output: OutputFormat) -> anyhow::Result<()> {
    match command {
        // Also settings that do not fit are shown: that is when somebody looks.
        ConfigCommand::Show => Ok(print_settings(&Settings::load(SECTION, SETTINGS, sources)?, output)?),
        ConfigCommand::Check => {
            let (config, settings) = AuthConfig::load(sources)?;
            // Opening the ring tells whether the key encryption keys are well-formed.
            config.key_ring()?;
            Ok(print_good(&settings, output)?)
        }
    }
}
