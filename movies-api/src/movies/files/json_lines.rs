//! JSON lines: one object a line, empty lines are passed over, members that are not asked for are ignored.

use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::files::JsonLines;

use super::{Fields, FileError, Row, Unknowns, ValueError, broken, model};
use crate::movies::model::Movie;

/// The rows of a file of JSON lines.
pub struct Rows<R> {
    lines: JsonLines<R>,
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
        Self { lines: JsonLines::of(reader), unknowns }
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lines.read().transpose()? {
            Ok(Ok((line, text))) => Some(Ok(read(line, text, self.unknowns))),
            Ok(Err(fault)) => Some(Ok(Row::Broken(vec![fault]))),
            Err(error) => Some(Err(error.into())),
        }
    }
}

fn read(line: u64, text: &str, unknowns: Unknowns) -> Row {
    let members: Members<'_> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(error) => return broken(line, reason(&error)),
    };
    let Members { movie_id, title, released, rating } = members;
    let mut fields = Fields::of(line, str::to_owned);
    let id = fields.keep("movie_id", shown(movie_id), raw(movie_id).and_then(model::new_movie_id));
    let title = fields.keep_or_unknown("title", shown(title), unknowns, raw(title).and_then(string));
    let year = fields.keep_or_unknown("released", shown(released), unknowns, raw(released).and_then(model::released));
    let rating = fields.keep_or_unknown("rating", shown(rating), unknowns, raw(rating).and_then(model::rating));
    fields.finish(id, |movie_id| Movie { movie_id, title, released: year, rating })
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
