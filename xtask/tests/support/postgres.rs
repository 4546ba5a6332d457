//! A private Postgres that is stopped and started by order.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// A running `xtask __postgres`.
pub struct Ordered {
    child: Child,
    url: String,
    talk: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

impl Ordered {
    /// Starts it and waits until it is ready.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("url: ").unwrap_or_else(|| panic!("no url but {line:?}")).to_owned();
        Self { child, url, talk: Mutex::new((stdin, stdout)) }
    }

    /// The URL of its database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts a standby, for which commits wait from then on, and gives the URL of its database.
    pub fn start_standby(&self) -> String {
        let answer = self.order("standby");
        answer.strip_prefix("url: ").unwrap_or_else(|| panic!("no url but {answer:?}")).to_owned()
    }

    /// `fast`, `immediate`, `start` or `promote`; comes back with the answer when it is done.
    pub fn order(&self, order: &str) -> String {
        let (stdin, stdout) = &mut *self.talk.lock().unwrap();
        writeln!(stdin.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{order}: the server's keeper has ended");
        line.trim().to_owned()
    }

    /// Stops it and removes its folder.
    pub fn end(&mut self) {
        if let Ok(talk) = self.talk.get_mut() {
            talk.0 = None;
        }
        let _ = self.child.wait();
    }
}

impl Drop for Ordered {
    fn drop(&mut self) {
        self.end();
    }
}
