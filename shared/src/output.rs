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

/// Prints `value` as indented JSON on stdout.
///
/// # Errors
/// When stdout takes no more.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    print_bytes(&text)
}

/// Prints one line, or a table, on stdout. Unlike `println!` it does not panic when nobody reads on (`… | head -1`).
///
/// # Errors
/// When stdout takes no more.
pub fn print_line(line: impl Display) -> io::Result<()> {
    print_bytes(format!("{line}\n").as_bytes())
}

/// Prints bytes on stdout, whole.
///
/// # Errors
/// When stdout takes no more; the error says that it is about stdout.
pub fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| io::Error::new(error.kind(), format!("cannot write the result to stdout: {error}")))
}
