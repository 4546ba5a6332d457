//! JSON lines: one object a line, empty lines are passed over, members that are not asked for are ignored.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fields, FileError, Row, Unknowns, ValueError, broken, model};
use crate::movies::model::Movie;

/// The most bytes of a line; what is longer is one broken row and takes no more memory than this.
const MAX_LINE: u64 = 1024 * 1024;

/// The rows of a file of JSON lines.
pub struct Rows<R> {
    reader: BufReader<R>,
    buffer: Vec<u8>,
    line: u64,
    unknowns: Unknowns,
}

/// The members as they are written, so that a number is judged by its text and never passes through a float.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    movie_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    title: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    released: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    rating: Option<&'a RawValue>,
}

/// Keeps `null` apart from a member that is not there.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<R: Read> Rows<R> {
    pub(super) fn open(reader: R, unknowns: Unknowns) -> Self {
        Self { reader: BufReader::new(reader), buffer: Vec::new(), line: 0, unknowns }
    }

    /// Reads one line into the buffer: `None` at the end, else whether it fitted.
    fn advance(&mut self) -> std::io::Result<Option<bool>> {
        self.buffer.clear();
        let read = self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.line == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.buffer.drain(..3);
        }
        let is_cut = u64::try_from(read).unwrap_or(u64::MAX) == MAX_LINE && !self.buffer.ends_with(b"\n");
        if is_cut {
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(!is_cut))
    }

    fn read(&self) -> Row {
        let Ok(line) = std::str::from_utf8(self.buffer.trim_ascii_end()) else {
            return broken(self.line, "is not valid UTF-8");
        };
        // serde would take an array for a struct.
        if !line.trim_start().starts_with('{') {
            return broken(self.line, "is not a JSON object");
        }
        let members: Members<'_> = match serde_json::from_str(line) {
            Ok(members) => members,
            Err(error) => return broken(self.line, reason(&error)),
        };
        let Members { movie_id, title, released, rating } = members;
        let unknowns = self.unknowns;
        let mut fields = Fields::of(self.line, str::to_owned);
        let id = fields.keep("movie_id", shown(movie_id), raw(movie_id).and_then(model::new_movie_id));
        let title = fields.keep_or_unknown("title", shown(title), unknowns, raw(title).and_then(string));
        let year =
            fields.keep_or_unknown("released", shown(released), unknowns, raw(released).and_then(model::released));
        let rating = fields.keep_or_unknown("rating", shown(rating), unknowns, raw(rating).and_then(model::rating));
        fields.finish(id, |movie_id| Movie { movie_id, title, released: year, rating })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            return match self.advance() {
                Ok(None) => None,
                Ok(Some(false)) => Some(Ok(broken(self.line, format!("is longer than {MAX_LINE} bytes")))),
                Ok(Some(true)) if self.buffer.trim_ascii().is_empty() => continue,
                Ok(Some(true)) => Some(Ok(self.read())),
                Err(error) => Some(Err(error.into())),
            };
        }
    }
}

/// What serde says, without its own count of lines, which knows this one only.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("is not a JSON object with the four members: {what} (character {})", error.column())
}

fn shown(value: Option<&RawValue>) -> &str {
    value.map_or("", RawValue::get)
}

fn raw(value: Option<&RawValue>) -> Result<&str, ValueError> {
    match value.map(RawValue::get) {
        None => Err(ValueError::Missing),
        Some("null") => Err(ValueError::Empty),
        Some(text) => Ok(text),
    }
}

fn string(raw: &str) -> Result<String, ValueError> {
    model::title(&serde_json::from_str::<String>(raw).map_err(|_| ValueError::NotText)?)
}
