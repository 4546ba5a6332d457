//! CSV: a byte order mark, CRLF and quoted newlines are understood; columns are found by the header's names.

use std::io::Read;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::lines::Lines;
use super::{FIELDS, Fields, FileError, Row, Unknowns, ValueError, broken, model};
use crate::movies::model::Movie;

/// The rows of a CSV file.
pub struct Rows<R> {
    reader: Reader<Lines<R>>,
    record: ByteRecord,
    /// How many fields each row has, and which of them is which of [`FIELDS`].
    width: usize,
    columns: [usize; 4],
    unknowns: Unknowns,
}

impl<R: Read> Rows<R> {
    pub(super) fn open(reader: R, unknowns: Unknowns) -> Result<Self, FileError> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(Lines::of(reader));
        let header = reader.byte_headers().map_err(file_error)?;
        let width = header.len();
        let mut columns = [0; 4];
        for (column, name) in columns.iter_mut().zip(FIELDS) {
            let mut found = header.iter().enumerate().filter(|(_, field)| field.trim_ascii() == name.as_bytes());
            *column = match (found.next(), found.next()) {
                (Some((index, _)), None) => index,
                (Some(_), Some(_)) => return Err(FileError::Header(format!("`{name}` is there twice"))),
                (None, _) => return Err(FileError::Header(format!("`{name}` is missing"))),
            };
        }
        Ok(Self { reader, record: ByteRecord::new(), width, columns, unknowns })
    }

    fn read(&mut self) -> Row {
        let line = self.line();
        if self.record.len() != self.width {
            return broken(line, format!("has {} fields where the header has {}", self.record.len(), self.width));
        }
        let [movie_id, title, released, rating] = self.columns.map(|column| text(self.record.get(column)));
        let unknowns = self.unknowns;
        let mut fields = Fields::of(line, |text| format!("{text:?}"));
        let id = fields.keep("movie_id", movie_id.unwrap_or_default(), movie_id.and_then(model::new_movie_id));
        let title = fields.keep_or_unknown("title", title.unwrap_or_default(), unknowns, title.and_then(model::title));
        let year = released.and_then(model::released);
        let year = fields.keep_or_unknown("released", released.unwrap_or_default(), unknowns, year);
        let stars = rating.and_then(model::rating);
        let stars = fields.keep_or_unknown("rating", rating.unwrap_or_default(), unknowns, stars);
        fields.finish(id, |movie_id| Movie { movie_id, title, released: year, rating: stars })
    }

    /// The line where the row begins: that of its last byte, less the line feeds inside of it. The reader stands behind
    /// the one byte that ended the row, be it the `\r` of a `\r\n`.
    fn line(&mut self) -> u64 {
        let end = self.reader.position().byte().saturating_sub(1);
        let inside = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        self.reader.get_mut().at(end).saturating_sub(u64::try_from(inside).unwrap_or(u64::MAX))
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Some(Ok(self.read())),
            Ok(false) => None,
            Err(error) => Some(Err(file_error(error))),
        }
    }
}

fn text(field: Option<&[u8]>) -> Result<&str, ValueError> {
    std::str::from_utf8(field.ok_or(ValueError::Missing)?).map_err(|_| ValueError::NotUtf8)
}

fn file_error(error: csv::Error) -> FileError {
    FileError::Io(io_error(error))
}

/// The error of the file underneath with its own kind, which `From` would hide.
pub(super) fn io_error(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}
