//! `cargo xtask checklist`: which rows of the protocol checklist a test holds.
//!
//! 1. Read `xtask/checklist.csv`, one requirement a row, in plain words.
//! 2. Read the tests: a test carries a row by its name (`t05_…`, `p02_p03_…`), a case's name, or its comment.
//! 3. A row is tested, waived or later (both with a reason in the table), or missing. The exit code is 1 when one is
//!    missing, when the table says otherwise than the tests, and when a test carries an id that the table lacks.

mod report;
mod scan;
mod table;

use std::process::ExitCode;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::cli::{Checklist, Output};
use crate::progress::{print, say};
use report::Report;

/// Prints the table and judges it.
///
/// # Errors
/// When the table or a source cannot be read.
pub fn run(options: &Checklist) -> Result<ExitCode> {
    let checkout = Checkout::find()?;
    let rows = table::read(&checkout.root.join("xtask/checklist.csv"))?;
    let carried = scan::scan(&checkout.root)?;
    let report = Report::new(rows, carried);
    match options.output {
        Output::Table => print(&report.to_text()),
        Output::Json => print(&format!("{:#}\n", report.to_json())),
    }
    for problem in &report.problems {
        say(&format!("error: {problem}"));
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
