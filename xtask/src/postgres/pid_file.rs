//! `postmaster.pid`, in which the server says how far it is.

use std::fs;
use std::path::Path;

/// The lines of the file that matter here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PidFile {
    /// Line 1: the server's process id.
    pub pid: i32,
    /// Line 3: when it started, in seconds since 1970. Together with the id it names one server.
    pub started: String,
    /// Line 8: whether it accepts connections.
    pub is_ready: bool,
}

impl PidFile {
    /// Reads it from a data folder, if it is there and has its first lines.
    pub fn find(data: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let started = lines.nth(1)?.trim().to_owned();
        let is_ready = lines.nth(4).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, started, is_ready })
    }

    /// Whether the two speak of one server.
    pub fn is_same(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started == other.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = "4711\n/data\n1732286400\n5432\n/socket\n\n  1234567     98304\nready   \n";

    #[test]
    fn line_8_says_ready() {
        let file = PidFile::parse(READY).unwrap();
        assert_eq!(file, PidFile { pid: 4711, started: "1732286400".to_owned(), is_ready: true });
        assert!(!PidFile::parse(&READY.replace("ready   ", "starting")).unwrap().is_ready);
    }

    #[test]
    fn a_file_that_is_still_being_written_is_not_ready() {
        for lines in 3..8 {
            let text: Vec<&str> = READY.lines().take(lines).collect();
            assert!(!PidFile::parse(&text.join("\n")).unwrap().is_ready, "{lines} lines");
        }
        assert_eq!(PidFile::parse("4711\n"), None);
        assert_eq!(PidFile::parse("nonsense\n\n1\n"), None);
    }
}
