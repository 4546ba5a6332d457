//! Films in files: CSV and JSON lines, read row by row so that a file of any size takes the same memory.
//!
//! 1. [`Rows::open`] picks the format and, for CSV, reads the header.
//! 2. Each step gives a film with its line, or all that is wrong with that line.
//! 3. [`Writer`] writes what [`Rows`] reads.
//!
//! Numbers are read strictly: nothing is rounded, no `1e3`, no `46` for 1946.

mod csv;
mod json_lines;
mod write;

use std::io::Read;
use std::path::Path;

pub use shared::files::Fault;

pub use self::write::Writer;
use super::model::{self, Movie, ValueError};

/// The columns of a CSV file and the members of a JSON line, in the order in which they are written.
pub const FIELDS: [&str; 4] = ["movie_id", "title", "released", "rating"];

/// How films are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma separated with a header line, RFC 4180.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The format that a file's name ends in: `.csv`, `.jsonl` or `.ndjson`, in any case.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Whether title, year and rating may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknowns {
    /// Each film has all of them.
    Refused,
    /// An empty CSV field or a JSON `null` is stored as null.
    Allowed,
}

/// One row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A film, and the line where it begins.
    Film(u64, Movie),
    /// A row that is none, and everything that is wrong with it.
    Broken(Vec<Fault>),
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The first line of a CSV file is not its header.
    #[error("line 1 must be the header `movie_id,title,released,rating` (in any order): {0}")]
    Header(String),
}

/// The rows of a file.
pub enum Rows<R> {
    /// Of a CSV file.
    Csv(csv::Rows<R>),
    /// Of a file of JSON lines.
    Jsonl(json_lines::Rows<R>),
}

impl<R: Read> Rows<R> {
    /// Starts reading.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be read or has no header.
    pub fn open(reader: R, format: Format, unknowns: Unknowns) -> Result<Self, FileError> {
        match format {
            Format::Csv => csv::Rows::open(reader, unknowns).map(Self::Csv),
            Format::Jsonl => Ok(Self::Jsonl(json_lines::Rows::open(reader, unknowns))),
        }
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Jsonl(rows) => rows.next(),
        }
    }
}

/// The fields of one row as they were read, each with what is wrong with it.
struct Fields {
    line: u64,
    /// How a value is shown in a report, so that it stays on its line.
    quote: fn(&str) -> String,
    faults: Vec<Fault>,
}

impl Fields {
    const fn of(line: u64, quote: fn(&str) -> String) -> Self {
        Self { line, quote, faults: Vec::new() }
    }

    /// Keeps the value, or notes why there is none. `shown` is the text as the file has it.
    fn keep<T>(&mut self, field: &'static str, shown: &str, value: Result<T, ValueError>) -> Option<T> {
        value
            .map_err(|error| {
                let reason = match error {
                    ValueError::Missing | ValueError::Empty | ValueError::NotUtf8 => error.to_string(),
                    _ => format!("{error}, not {}", self.excerpt(shown)),
                };
                self.faults.push(Fault { line: self.line, field: Some(field), reason });
            })
            .ok()
    }

    /// As [`Fields::keep`], where nothing at all may be meant.
    fn keep_or_unknown<T>(
        &mut self,
        field: &'static str,
        shown: &str,
        unknowns: Unknowns,
        value: Result<T, ValueError>,
    ) -> Option<T> {
        match (unknowns, value) {
            (Unknowns::Allowed, Err(ValueError::Empty)) => None,
            (_, value) => self.keep(field, shown, value),
        }
    }

    fn excerpt(&self, text: &str) -> String {
        const SHOWN: usize = 40;
        let start: String = text.chars().take(SHOWN).collect();
        let dots = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
        format!("{}{dots}", (self.quote)(&start))
    }

    fn finish(self, movie_id: Option<i64>, film: impl FnOnce(i64) -> Movie) -> Row {
        match movie_id {
            Some(movie_id) if self.faults.is_empty() => Row::Film(self.line, film(movie_id)),
            _ => Row::Broken(self.faults),
        }
    }
}

fn broken(line: u64, reason: impl Into<String>) -> Row {
    Row::Broken(vec![Fault::row(line, reason)])
}
