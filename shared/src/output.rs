//! How commands print what they list or make.

use std::fmt::Display;
use std::io::{self, Write as _};

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

/// The `--output` flag of every command that lists or makes something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// A table or a sentence, for people.
    #[default]
    Table,
    /// One JSON document on stdout, for programs.
    Json,
}

/// A table with this header, in the one style of all commands.
#[must_use]
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// Prints `text` and a line end on stdout. Unlike `println!` it does not panic when nobody reads on (`… | head -1`).
///
/// # Errors
/// When stdout is closed.
pub fn print_line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints `value` as indented JSON on stdout.
///
/// # Errors
/// When stdout is closed.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, value)?;
    writeln!(stdout)
}
