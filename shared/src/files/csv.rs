//! CSV: a byte order mark, CRLF and quoted newlines are understood; columns are found by the header's names.

use std::io::Read;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{Fault, Lines};

/// The rows of a CSV file behind its header.
pub struct Csv<R> {
    reader: Reader<Lines<R>>,
    record: ByteRecord,
    /// How many fields each row has.
    width: usize,
}

impl<R: Read> Csv<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(reader: R) -> std::io::Result<Self> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(Lines::of(reader));
        let width = reader.byte_headers().map_err(io_error)?.len();
        Ok(Self { reader, record: ByteRecord::new(), width })
    }

    /// The position of the column with this name; `None` when there is none.
    ///
    /// # Errors
    /// What is wrong with the header: there are two.
    pub fn find_column(&mut self, name: &str) -> Result<Option<usize>, String> {
        let header = self.reader.byte_headers().map_err(|error| io_error(error).to_string())?;
        let mut found = header.iter().enumerate().filter(|(_, field)| field.trim_ascii() == name.as_bytes());
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(format!("`{name}` is there twice")),
            (found, _) => Ok(found.map(|(index, _)| index)),
        }
    }

    /// The position of the column with this name.
    ///
    /// # Errors
    /// What is wrong with the header: there is none, or there are two.
    pub fn get_column(&mut self, name: &str) -> Result<usize, String> {
        self.find_column(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    /// The next row with the line where it begins, or what is wrong with it. `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self) -> std::io::Result<Option<Result<(u64, &ByteRecord), Fault>>> {
        if !self.reader.read_byte_record(&mut self.record).map_err(io_error)? {
            return Ok(None);
        }
        let line = self.line();
        if self.record.len() != self.width {
            let reason = format!("has {} fields where the header has {}", self.record.len(), self.width);
            return Ok(Some(Err(Fault::row(line, reason))));
        }
        Ok(Some(Ok((line, &self.record))))
    }

    /// The line where the row begins: that of its last byte, less the line feeds inside of it. The reader stands behind
    /// the one byte that ended the row, be it the `\r` of a `\r\n`.
    fn line(&mut self) -> u64 {
        let end = self.reader.position().byte().saturating_sub(1);
        let inside = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        self.reader.get_mut().at(end).saturating_sub(u64::try_from(inside).unwrap_or(u64::MAX))
    }
}

/// The error of the file underneath with its own kind, which `From` would hide.
#[must_use]
pub fn io_error(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}
