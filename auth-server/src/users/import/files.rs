//! Users in files: CSV, JSON lines, and the export of a Keycloak realm.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use shared::files::{Csv, Fault, JsonLines};

use super::keycloak;
use super::row::{Flag, Hash, Judge, NoPassword, Raw, Row};
use crate::passwords::Reader;

/// How users are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma separated with a header line, RFC 4180.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// The JSON document that `kc.sh export` writes, of a realm or of its users.
    Keycloak,
}

impl Format {
    /// The format that a file's name ends in: `.csv`, `.jsonl`, `.ndjson`, or Keycloak's `.json`, in any case.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Keycloak),
            _ => None,
        }
    }
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The first line of a CSV file is not its header.
    #[error(
        "line 1 must be a header with `email` and `hashed_password`, and perhaps `name`, `email_verified`, `disabled`: {0}"
    )]
    Header(String),
    /// No document of Keycloak.
    #[error("is no export of Keycloak, which is one JSON object with the member `users`: {0}")]
    Keycloak(String),
}

/// The rows of a file.
pub struct Rows<R> {
    judge: Judge,
    source: Source<R>,
}

enum Source<R> {
    Csv(Box<Csv<R>>, Columns),
    Jsonl(JsonLines<R>),
    Keycloak(keycloak::Users),
}

struct Columns {
    email: usize,
    hashed_password: Option<usize>,
    name: Option<usize>,
    email_verified: Option<usize>,
    disabled: Option<usize>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    hashed_password: Option<Cow<'a, str>>,
    email_verified: Option<bool>,
    disabled: Option<bool>,
}

impl<R: Read> Rows<R> {
    /// Starts reading. CSV and JSON lines are read row by row; of Keycloak's one document all users are read at once.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be read or is not of this format.
    pub fn open(source: R, format: Format, reader: Reader, no_password: NoPassword) -> Result<Self, FileError> {
        let source = match format {
            Format::Csv => {
                let mut csv = Csv::open(source)?;
                let columns = Columns::of(&mut csv, no_password).map_err(FileError::Header)?;
                Source::Csv(Box::new(csv), columns)
            }
            Format::Jsonl => Source::Jsonl(JsonLines::of(source)),
            Format::Keycloak => Source::Keycloak(keycloak::read(source)?),
        };
        Ok(Self { judge: Judge { reader, no_password }, source })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let judge = &self.judge;
        let row = match &mut self.source {
            Source::Csv(csv, columns) => match csv.read().transpose()? {
                Ok(Ok((line, record))) => columns.row(judge, line, |column| record.get(column)),
                Ok(Err(fault)) => Row::Broken(vec![fault]),
                Err(error) => return Some(Err(error.into())),
            },
            Source::Jsonl(lines) => match lines.read().transpose()? {
                Ok(Ok((line, text))) => json_row(judge, line, text),
                Ok(Err(fault)) => Row::Broken(vec![fault]),
                Err(error) => return Some(Err(error.into())),
            },
            Source::Keycloak(users) => match users.next()? {
                (number, Ok(raw)) => judge.judge(number, raw),
                (number, Err(reason)) => Row::Broken(vec![Fault::row(number, reason)]),
            },
        };
        Some(Ok(row))
    }
}

impl Columns {
    fn of(csv: &mut Csv<impl Read>, no_password: NoPassword) -> Result<Self, String> {
        let hashed_password = match no_password {
            NoPassword::Refused => Some(csv.get_column("hashed_password")?),
            NoPassword::Allowed => csv.find_column("hashed_password")?,
        };
        Ok(Self {
            email: csv.get_column("email")?,
            hashed_password,
            name: csv.find_column("name")?,
            email_verified: csv.find_column("email_verified")?,
            disabled: csv.find_column("disabled")?,
        })
    }

    fn row<'r>(&self, judge: &Judge, line: u64, field: impl Fn(usize) -> Option<&'r [u8]>) -> Row {
        let mut faults = Vec::new();
        let mut text = |name: &'static str, column: Option<usize>| {
            std::str::from_utf8(column.and_then(&field)?)
                .map_err(|_| faults.push(Fault { line, field: Some(name), reason: "is not valid UTF-8".to_owned() }))
                .ok()
        };
        let raw = Raw {
            email: text("email", Some(self.email)).map(Cow::Borrowed),
            name: text("name", self.name).map(Cow::Borrowed),
            hash: text("hashed_password", self.hashed_password)
                .map_or(Hash::None, |text| Hash::Text(Cow::Borrowed(text))),
            email_verified: text("email_verified", self.email_verified).map_or(Flag::None, Flag::Text),
            disabled: text("disabled", self.disabled).map_or(Flag::None, Flag::Text),
        };
        if faults.is_empty() { judge.judge(line, raw) } else { Row::Broken(faults) }
    }
}

fn json_row(judge: &Judge, line: u64, text: &str) -> Row {
    let members: Members<'_> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(error) => return Row::Broken(vec![Fault::row(line, json_reason(&error))]),
    };
    let raw = Raw {
        email: members.email,
        name: members.name,
        hash: members.hashed_password.map_or(Hash::None, Hash::Text),
        email_verified: members.email_verified.map_or(Flag::None, Flag::Bool),
        disabled: members.disabled.map_or(Flag::None, Flag::Bool),
    };
    judge.judge(line, raw)
}

/// What serde says of a place, without what stands there: it may be a hash.
fn json_reason(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "a member is of the wrong type or there twice" } else { "it is broken" };
    format!("is not a JSON object with email, name and hashed_password: {what} (character {})", error.column())
}
