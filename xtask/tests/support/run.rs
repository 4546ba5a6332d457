//! A run of the real xtask.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running xtask. Dropping it kills it, and its guards do the rest.
pub struct Run {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// How a run ended.
pub struct End {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// What it printed since the last line that was read.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Run {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything up to the banner's last line; fails with what the run said when there is none.
    pub fn banner(&mut self) -> String {
        self.read_until("Ctrl-C stops everything")
    }

    /// The line that starts with `start`.
    pub fn line(&mut self, start: &str) -> String {
        self.read_until(start).lines().last().unwrap().to_owned()
    }

    fn read_until(&mut self, start: &str) -> String {
        let mut text = String::new();
        while !text.lines().last().is_some_and(|line| line.starts_with(start)) {
            if self.stdout.read_line(&mut text).unwrap() == 0 {
                let mut stderr = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("no `{start}` in\n{text}\n{stderr}");
            }
        }
        text
    }

    /// Sends a signal by its name and waits for the end.
    pub fn signal(&mut self, name: &str) -> End {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
        self.end()
    }

    /// Waits for the end.
    pub fn end(&mut self) -> End {
        let code = self.child.wait().unwrap().code();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        if let Some(mut from) = self.child.stderr.take() {
            from.read_to_string(&mut stderr).unwrap();
        }
        End { code, stdout, stderr }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
