//! Which line a place in a file is on.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read};

/// The most bytes that may pass without the end of a row: a quote that is never closed must not fill the memory.
const MAX_ROW: u64 = 1024 * 1024;

/// Passes bytes on and remembers where their lines end. The csv crate's own count is short by the line feeds and empty
/// lines between the end of one row and the beginning of the next.
pub(super) struct Lines<R> {
    reader: R,
    /// Bytes that have passed.
    passed: u64,
    /// The offset that was asked about last.
    asked: u64,
    /// Offsets of the line feeds among them that nobody asked about yet.
    ends: VecDeque<u64>,
    /// Line feeds before those.
    counted: u64,
}

impl<R> Lines<R> {
    pub(super) const fn of(reader: R) -> Self {
        Self { reader, passed: 0, asked: 0, ends: VecDeque::new(), counted: 0 }
    }

    /// The line, from 1, of the byte at `offset`, which has passed already. Offsets may only grow from call to call.
    pub(super) fn at(&mut self, offset: u64) -> u64 {
        self.asked = offset;
        while self.ends.front().is_some_and(|end| *end < offset) {
            self.ends.pop_front();
            self.counted += 1;
        }
        self.counted + 1
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.passed.saturating_sub(self.asked) > MAX_ROW {
            let line = self.counted + 1;
            let reason =
                format!("behind line {line} is a row of more than {MAX_ROW} bytes: is a quote left open there?");
            return Err(Error::new(ErrorKind::InvalidData, reason));
        }
        let read = self.reader.read(buffer)?;
        let offsets = self.passed..;
        let new = buffer.iter().take(read).zip(offsets).filter(|(byte, _)| **byte == b'\n');
        self.ends.extend(new.map(|(_, offset)| offset));
        self.passed += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read)
    }
}
