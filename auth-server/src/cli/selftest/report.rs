//! What an auditor reads.

use std::io;

use serde::Serialize;
use shared::output::{OutputFormat, print_json, print_line};

/// What came of an attempt: why the rule does not hold, where it does not.
pub(super) type Outcome = Result<(), String>;

/// A rule, as an auditor looks for it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Rule {
    /// Its name here; it stays.
    pub(super) id: &'static str,
    /// What was tried.
    pub(super) tried: &'static str,
    /// What must hold.
    pub(super) holds: &'static str,
    /// Where that is written.
    pub(super) source: &'static str,
}

#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    rule: Rule,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
}

/// All lines, in the order of the attempts.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Line>);

#[derive(Serialize)]
struct Document<'a> {
    rules: &'a [Line],
    held: usize,
    failed: usize,
}

/// A rule does not hold; it is printed already.
#[derive(Debug, thiserror::Error)]
pub(super) enum SelftestError {
    /// How many.
    #[error("{0} of {1} rules do not hold")]
    Failed(usize, usize),
    /// stdout takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Report {
    /// Adds a line.
    pub(super) fn add(&mut self, [id, tried, holds, source]: [&'static str; 4], outcome: Outcome) {
        let (ok, seen) = (outcome.is_ok(), outcome.err());
        self.0.push(Line { rule: Rule { id, tried, holds, source }, ok, seen });
    }

    /// Prints all lines.
    ///
    /// # Errors
    /// [`SelftestError::Failed`] where a rule does not hold.
    pub(super) fn print(&self, output: OutputFormat) -> Result<(), SelftestError> {
        let failed = self.0.iter().filter(|line| !line.ok).count();
        let all = self.0.len();
        match output {
            OutputFormat::Json => print_json(&Document { rules: &self.0, held: all - failed, failed })?,
            OutputFormat::Table => {
                for Line { rule: Rule { id, tried, holds, source }, ok, seen } in &self.0 {
                    let verdict = if *ok { "ok" } else { "FAILED" };
                    print_line(format_args!("{verdict:<7} {id:<24} {tried}: {holds} ({source})"))?;
                    if let Some(seen) = seen {
                        print_line(format_args!("{:<32} seen: {seen}", ""))?;
                    }
                }
                print_line(format_args!("\n{} rules hold, {failed} do not", all - failed))?;
            }
        }
        if failed == 0 { Ok(()) } else { Err(SelftestError::Failed(failed, all)) }
    }
}
