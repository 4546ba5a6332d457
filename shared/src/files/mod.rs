//! Files that commands import: read row by row, so that a file of any size takes the same memory, and with the line of
//! everything that is wrong.

mod csv;
mod json_lines;
mod lines;

use serde::Serialize;

pub use self::csv::{Csv, io_error};
pub use self::json_lines::JsonLines;
use self::lines::Lines;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line where the row begins, from 1.
    pub line: u64,
    /// The field, unless the row as a whole is broken.
    pub field: Option<&'static str>,
    /// What is wrong, with the value where that helps.
    pub reason: String,
}

impl Fault {
    /// A row that is broken as a whole.
    #[must_use]
    pub fn row(line: u64, reason: impl Into<String>) -> Self {
        Self { line, field: None, reason: reason.into() }
    }
}
