//! `movies-api serve` as a process, on the test's own database and with the test's own issuer.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shared::clock::Clock;
use shared::testing::TestIssuer;

/// A sanity bound: nothing that is waited for here takes a tenth of it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What every process of a test needs.
pub struct House {
    issuer: TestIssuer,
    folder: tempfile::TempDir,
    database: String,
}

/// A process that dies with its guard.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    pub address: SocketAddr,
}

impl House {
    pub fn on(database: &str) -> Self {
        let (issuer, folder) = (TestIssuer::es256(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("key.pem"), issuer.public_pem()).unwrap();
        Self { issuer, folder, database: database.to_owned() }
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.issuer.token(Clock::system().now()).mint())
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// With these settings over the others; an empty one takes it away.
    pub fn serve_with(&self, settings: &[(&str, &str)]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_movies-api"));
        self.settings(&mut command, self.folder.path());
        let command = command.arg("serve").env("MYAPI_MOVIES__BIND", "127.0.0.1:0");
        Server::start(command.envs(settings.iter().copied()))
    }

    pub fn jwks(&self) -> Vec<u8> {
        self.issuer.jwks()
    }

    /// At this address, and with so many open files at most.
    pub fn serve_at(&self, address: &str, files: Option<u32>) -> Server {
        let limit = files.map_or(String::new(), |most| format!("ulimit -n {most}; "));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limit}exec \"$0\" serve"), env!("CARGO_BIN_EXE_movies-api")]);
        self.settings(&mut command, self.folder.path());
        Server::start(command.env("MYAPI_MOVIES__BIND", address))
    }

    fn settings(&self, command: &mut Command, folder: &Path) {
        command
            .current_dir(folder)
            .env_clear()
            .env("RUST_LOG", "info")
            .env("MYAPI_DATABASE__DEV", &self.database)
            .env("MYAPI_MOVIES__PUBLIC_KEY_FILE", "key.pem")
            .env("MYAPI_MOVIES__ISSUER", self.issuer.issuer())
            .env("MYAPI_MOVIES__AUDIENCE", self.issuer.audience())
            .env("MYAPI_MOVIES__REVOCATIONS", "off");
    }
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, lines, address };
        let start = server.line("movies-api listens");
        server.address = start["listen"].as_str().unwrap().parse().unwrap();
        server
    }

    /// Waits for a line with this message.
    #[track_caller]
    pub fn line(&self, message: &str) -> Value {
        let (deadline, mut seen) = (Instant::now() + PATIENCE, Vec::new());
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            match serde_json::from_str::<Value>(&line) {
                Ok(value) if value["message"] == message => return value,
                _ => seen.push(line),
            }
        }
        panic!("`{message}` did not come, but\n{}", seen.join("\n"))
    }

    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    #[track_caller]
    pub fn end(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it runs on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The status of a `GET`; 0 where no answer came.
    pub async fn get(&self, path: &str, bearer: &str) -> u16 {
        let request = reqwest::Client::new().get(self.url(path)).header("authorization", bearer);
        request.send().await.map_or(0, |answer| answer.status().as_u16())
    }

    /// Asks until it answers so, or the deadline; says which.
    pub async fn becomes(&self, path: &str, bearer: &str, status: u16) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while self.get(path, bearer).await != status {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
