//! A running binary of the pair.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::pair::until;

/// A running binary. Dropping it kills it.
pub struct Service {
    pub(super) child: Child,
    pub(super) log: PathBuf,
}

impl Service {
    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// How many lines of the log hold all of these.
    pub fn count(&self, words: &[&str]) -> usize {
        self.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for it to fail by itself, and gives its log.
    #[track_caller]
    pub fn ended(&mut self, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        while !self.is_over() {
            assert!(Instant::now() < deadline, "it goes on: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.child.wait().unwrap().code(), Some(1), "{}", self.log());
        self.log()
    }

    /// Sends a signal and waits for the end.
    pub fn end(mut self, name: &str) -> ExitStatus {
        self.signal(name);
        self.child.wait().unwrap()
    }

    /// Comes back when the condition holds; fails when it ends first.
    #[track_caller]
    pub(super) fn until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        until(what, || {
            assert!(self.child.try_wait().unwrap().is_none(), "{what}: it ended: {}", self.log());
            condition()
        });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
