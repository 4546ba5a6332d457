//! JSON lines: one object a line, empty lines are passed over.

use std::io::{BufRead, BufReader, Read};

use super::Fault;

/// The most bytes of a line; what is longer is one broken row and takes no more memory than this.
const MAX_LINE: u64 = 1024 * 1024;

/// The lines of a file that hold something.
pub struct JsonLines<R> {
    reader: BufReader<R>,
    buffer: Vec<u8>,
    line: u64,
}

impl<R: Read> JsonLines<R> {
    /// Starts reading.
    pub fn of(reader: R) -> Self {
        Self { reader: BufReader::new(reader), buffer: Vec::new(), line: 0 }
    }

    /// The next line that holds something, with its number: the text of an object, of which only the first sign is known
    /// to be right, or what is wrong with the line. `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self) -> std::io::Result<Option<Result<(u64, &str), Fault>>> {
        loop {
            match self.advance()? {
                None => return Ok(None),
                Some(false) => {
                    return Ok(Some(Err(Fault::row(self.line, format!("is longer than {MAX_LINE} bytes")))));
                }
                Some(true) if self.buffer.trim_ascii().is_empty() => {}
                Some(true) => break,
            }
        }
        let Ok(text) = std::str::from_utf8(self.buffer.trim_ascii_end()) else {
            return Ok(Some(Err(Fault::row(self.line, "is not valid UTF-8"))));
        };
        // serde would take an array for a struct.
        if !text.trim_start().starts_with('{') {
            return Ok(Some(Err(Fault::row(self.line, "is not a JSON object"))));
        }
        Ok(Some(Ok((self.line, text))))
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
}
