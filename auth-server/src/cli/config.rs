//! `auth-server config`.

use shared::config::{Settings, Sources};
use shared::output::{OutputFormat, print_json, print_line, table};

use crate::config::AuthConfig;

/// What can be asked of the settings.
#[derive(clap::Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the settings; exit code 1 and the variable's name when one does not fit
    Check,
    /// Print every setting, its value and where it comes from; secrets are not shown
    Show,
}

pub(super) fn run(command: ConfigCommand, sources: &Sources, output: OutputFormat) -> anyhow::Result<()> {
    let (config, settings) = AuthConfig::load(sources)?;
    match command {
        ConfigCommand::Check => check(&config, output),
        ConfigCommand::Show => show(&settings, output),
    }
}

fn check(config: &AuthConfig, output: OutputFormat) -> anyhow::Result<()> {
    // Opening the ring tells whether the key encryption keys are well-formed.
    config.key_ring()?;
    if output == OutputFormat::Json {
        return Ok(print_json(&serde_json::json!({ "ok": true, "notices": config.notices }))?);
    }
    for notice in &config.notices {
        print_line(format_args!("note: {notice}"))?;
    }
    print_line("The settings are good.")?;
    Ok(())
}

fn show(settings: &Settings, output: OutputFormat) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        let rows: Vec<_> = settings
            .show()
            .map(|(setting, value, origin)| serde_json::json!({ "name": setting.name, "value": value, "origin": origin }))
            .collect();
        return Ok(print_json(&rows)?);
    }
    let mut table = table(["setting", "value", "from"]);
    for (setting, value, origin) in settings.show() {
        table.add_row([setting.name.to_owned(), value.unwrap_or_default(), origin]);
    }
    print_line(&table)?;
    Ok(())
}
