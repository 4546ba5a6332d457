//! What was found, check by check.

use serde::Serialize;

/// The most characters of a token's own words in one detail.
const MOST: usize = 120;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It holds.
    Ok,
    /// It does not.
    Failed,
    /// It could not be made, or was not asked for.
    Skipped,
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// A stable name.
    #[serde(rename = "check")]
    pub(super) name: &'static str,
    /// What it came to.
    pub(super) status: Status,
    /// What was found, for people.
    pub(super) detail: String,
}

/// All checks in their order.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) checks: Vec<Check>,
}

impl Findings {
    pub(super) fn ok(&mut self, name: &'static str, detail: impl Into<String>) {
        self.push(name, Status::Ok, detail);
    }

    pub(super) fn fail(&mut self, name: &'static str, detail: impl Into<String>) {
        self.push(name, Status::Failed, detail);
    }

    pub(super) fn skip(&mut self, name: &'static str, detail: impl Into<String>) {
        self.push(name, Status::Skipped, detail);
    }

    /// True where `holds`.
    pub(super) fn judge(&mut self, name: &'static str, holds: bool, detail: impl Into<String>) -> bool {
        self.push(name, if holds { Status::Ok } else { Status::Failed }, detail);
        holds
    }

    /// The names of the checks that failed.
    pub(super) fn failed(&self) -> Vec<&'static str> {
        self.checks.iter().filter(|check| check.status == Status::Failed).map(|check| check.name).collect()
    }

    fn push(&mut self, name: &'static str, status: Status, detail: impl Into<String>) {
        self.checks.push(Check { name, status, detail: detail.into() });
    }
}

/// A token's own words: cut, and unable to steer a terminal.
pub(super) fn said(text: &str) -> String {
    let mut words: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        words.push('…');
    }
    format!("`{words}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_token_steer_no_terminal() {
        assert_eq!(said("a\u{1b}[2Jb\n"), "`a\\u{1b}[2Jb\\n`");
        assert_eq!(said(&"x".repeat(500)).chars().count(), MOST + 3);
    }
}
