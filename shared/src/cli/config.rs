//! `config show` and `config check`, as far as they are alike.

use std::io;

use crate::config::Settings;
use crate::output::{OutputFormat, print_json, print_line, table};

/// What can be asked of the settings.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Check the settings; exit code 1 and the variable's name when one does not fit
    Check,
    /// Print every setting, its value and where it comes from; secrets are not shown
    Show,
}

/// Prints every setting, its value and its origin, never a secret.
///
/// # Errors
/// When stdout takes no more.
pub fn print_settings(settings: &Settings, output: OutputFormat) -> io::Result<()> {
    if output == OutputFormat::Json {
        let row = |(setting, value, origin): (crate::config::Setting, Option<String>, String)| serde_json::json!({ "name": setting.name, "value": value, "origin": origin, "help": setting.help });
        return print_json(&settings.show().map(row).collect::<Vec<_>>());
    }
    let mut table = table(["setting", "value", "from"]);
    for (setting, value, origin) in settings.show() {
        table.add_row([setting.name.to_owned(), value.unwrap_or_default(), origin]);
    }
    print_line(&table)
}

/// Says that the settings passed, and what an operator should know of them.
///
/// # Errors
/// When stdout takes no more.
pub fn print_good(settings: &Settings, output: OutputFormat) -> io::Result<()> {
    if output == OutputFormat::Json {
        return print_json(&serde_json::json!({ "ok": true, "notices": settings.notices() }));
    }
    for notice in settings.notices() {
        print_line(format_args!("note: {notice}"))?;
    }
    print_line("The settings are good.")
}
