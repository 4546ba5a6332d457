//! The binary under test: how it is started, read, signalled and, whatever a test does, ended.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shared::db::Pool;

use crate::app::PUBLIC;

/// A sanity bound: nothing that is waited for here takes a tenth of it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How the binary is called: its settings, and an empty folder to work in. Nothing of the developer's environment.
pub struct Binary {
    pub folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// What a process that ended left.
#[derive(Debug)]
pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A process that dies with its guard.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    stdout: Option<JoinHandle<String>>,
}

/// `auth-server serve`, listening.
pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
}

impl Binary {
    /// With neither database nor key encryption key.
    pub fn bare() -> Self {
        let environment = vec![("MYAPI_AUTH__BIND".to_owned(), "127.0.0.1:0".to_owned())];
        Self { folder: tempfile::tempdir().unwrap(), environment }
    }

    /// On the test's own database, with the settings of [`crate::app::TestApp`].
    pub fn on(pool: &Pool) -> Self {
        Self::bare()
            .with("MYAPI_DATABASE__DEV", &database_url(pool))
            .with("MYAPI_AUTH__DATABASE_CONNECTIONS", "4")
            .with("MYAPI_AUTH__DATABASE_PATIENCE", "1")
            .with("MYAPI_AUTH__PASSWORD_LANES", "1")
            .with("MYAPI_AUTH__KEY_ENCRYPTION_KEY", &key_encryption_key())
            .with("MYAPI_AUTH__DEFAULT_CLIENT", PUBLIC)
    }

    pub fn with(self, name: &str, value: &str) -> Self {
        let mut binary = self.without(name);
        binary.environment.push((name.to_owned(), value.to_owned()));
        binary
    }

    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        // A soak tries another build than the tests' own.
        let named = std::env::var_os("MYAPI_TEST_BIN_DIR").map(|folder| Path::new(&folder).join("auth-server"));
        let mut command = Command::new(named.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_auth-server"))));
        command.args(arguments).env_clear().envs(self.environment.iter().cloned()).current_dir(self.folder.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], stdin: &str) -> Ended {
        Process::spawn(self.command(arguments), stdin).end()
    }

    /// What a command that must succeed prints as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error} in {}", ended.stdout))
    }

    /// Returns when the start line came.
    pub fn serve(&self) -> Server {
        let mut process = Process::spawn(self.command(&["serve"]), "");
        let start = process.line(|line| line["message"] == "auth-server listens");
        let address = start["listen"].as_str().unwrap().parse().unwrap();
        Server { process, address }
    }

    /// What `serve` says when it does not start.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let ended = self.run(&["serve"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        let said = ended.stderr.lines().last().unwrap_or_default();
        said.strip_prefix("error: ").unwrap_or_else(|| panic!("{}", ended.stderr)).to_owned()
    }
}

impl Process {
    pub fn spawn(mut command: Command, stdin: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A process that refuses at once does not read it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stdout = child.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, seen: Vec::new(), stdout: Some(stdout) }
    }

    /// Waits for a line of the log, as JSON, among those that came and will come.
    #[track_caller]
    pub fn line(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &String| serde_json::from_str(line).ok().filter(|line| is_meant(line));
        if let Some(found) = self.seen.iter().find_map(parse) {
            return found;
        }
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
            if let Some(found) = self.seen.last().and_then(parse) {
                return found;
            }
        }
        panic!("the line did not come; those that did:\n{}", self.seen.join("\n"))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                None => panic!("it runs on; so far it said:\n{}", self.seen.join("\n")),
            }
        };
        // The channel closes with the pipe.
        self.seen.extend(self.lines.iter());
        let stderr = self.seen.iter().map(|line| format!("{line}\n")).collect();
        Ended { code: status.code(), stdout: self.stdout.take().unwrap().join().unwrap(), stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// SIGTERM, and what it said in its life.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.process.signal(Signal::TERM);
        let ended = self.process.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }
}

impl Ended {
    /// The log, each line of which has to be JSON.
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stderr.lines().map(parse).collect()
    }
}

pub fn database_url(pool: &Pool) -> String {
    let mut url: url::Url = std::env::var("DATABASE_URL").unwrap().parse().unwrap();
    url.set_path(pool.connect_options().get_database().unwrap());
    url.to_string()
}

/// The one that [`crate::app::config`] has.
pub fn key_encryption_key() -> String {
    STANDARD.encode((1..=32).collect::<Vec<u8>>())
}

/// Polls until `is_met` or the deadline; says which.
pub fn until(mut is_met: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !is_met() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Only its owner may read it.
pub fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
