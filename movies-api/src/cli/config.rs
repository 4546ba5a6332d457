//! `movies-api config …`.

use anyhow::Context as _;
use shared::config::{Settings, Sources};
use shared::output::{OutputFormat, print_json, print_line, table};
use shared::token::source::{KeySource, Keys, KeysOptions};

use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check settings and key files; exit code 1 and the variable's name when one does not fit
    Check,
    /// Print every setting, its value and where it comes from; secrets are not shown
    Show,
}

pub(super) async fn run(sources: &Sources, command: Command, output: OutputFormat) -> anyhow::Result<()> {
    let (config, settings) = Config::load(sources)?;
    match command {
        Command::Check => check(&config, &settings, output).await,
        Command::Show => show(&settings, output),
    }
}

/// Asks neither network nor database: a URL's keys may well not be there yet.
async fn check(config: &Config, settings: &Settings, output: OutputFormat) -> anyhow::Result<()> {
    let keys = Keys::new(config.keys.clone(), KeysOptions::default())?;
    if !matches!(config.keys, KeySource::JwksUrl(_)) {
        keys.load().await.context("no token can be checked")?;
    }
    if output == OutputFormat::Json {
        return Ok(print_json(&serde_json::json!({ "ok": true, "notices": settings.notices() }))?);
    }
    for notice in settings.notices() {
        print_line(format_args!("note: {notice}"))?;
    }
    print_line("The settings are good.")?;
    Ok(())
}

fn show(settings: &Settings, output: OutputFormat) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        let row = |(setting, value, origin): (shared::config::Setting, Option<String>, String)| serde_json::json!({ "name": setting.name, "value": value, "origin": origin });
        return Ok(print_json(&settings.show().map(row).collect::<Vec<_>>())?);
    }
    let mut table = table(["setting", "value", "from"]);
    for (setting, value, origin) in settings.show() {
        table.add_row([setting.name.to_owned(), value.unwrap_or_default(), origin]);
    }
    print_line(&table)?;
    Ok(())
}
