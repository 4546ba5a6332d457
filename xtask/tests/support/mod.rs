//! A folder with stand-ins in it, and runs of the real xtask in there.
#![expect(dead_code, reason = "each test binary uses its part of it")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use postgres::Ordered;
pub use run::Run;

pub mod clock;
pub mod disk;
pub mod pair;
pub mod pgbouncer;
pub mod postgres;
mod run;
pub mod service;
pub mod wire;

/// A sanity bound; everything here takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

const AUTH_SERVER: &str = r#"
    case "$*" in
        "key new-secret") echo c2VjcmV0 ;;
        "key list --output json") echo '[]' ;;
        "client new-secret --output json") echo '{"client_secret": "demo-s", "secret_hash": "sha256:00"}' ;;
        "resource list --output json") echo '[{"name": "movies", "audience": "http://127.0.0.1:8000"}]' ;;
        "user show "*) exit 1 ;;
        create-user*) cat > "$STAND_IN_FOLDER/password" ;;
        serve) STAND_IN_BIND=$MYAPI_AUTH__BIND exec "$STAND_IN_EXE" --ignored --exact stand_in_service --nocapture ;;
    esac"#;

const MOVIES_API: &str = r#"
    case "$*" in
        serve) STAND_IN_BIND=$MYAPI_MOVIES__BIND exec "$STAND_IN_EXE" --ignored --exact stand_in_service --nocapture ;;
    esac"#;

/// A program of Postgres, where there is one.
pub fn of_postgres(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let system =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let mut places = std::env::split_paths(&folders).chain(named).chain(system).map(|folder| folder.join(program));
    places.find(|file| file.is_file())
}

/// Whether there is a Postgres to start. If not, the test says by name that it is skipped, or fails where nothing may
/// be skipped.
pub fn is_possible(test: &str) -> bool {
    let is_there = of_postgres("initdb").is_some();
    // The tests look for processes in /proc.
    let is_possible = is_there && cfg!(target_os = "linux");
    if !is_possible {
        assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "{test} needs Postgres and Linux");
        eprintln!("skipped: {test}: needs Postgres and Linux");
    }
    is_possible
}

/// Answers 200 to everything, for ever.
pub fn stand_in_server() {
    let Ok(address) = std::env::var("STAND_IN_BIND") else {
        return;
    };
    for stream in TcpListener::bind(address).unwrap().incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
}

/// A target folder, stand-ins for the binaries, and two free ports.
pub struct Sandbox {
    folder: TempDir,
    target: PathBuf,
    /// auth-server's address.
    pub auth: String,
    movies: String,
}

impl Sandbox {
    /// With the target folder at `below` inside a new folder.
    pub fn new(below: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Root's server runs as another user, who must get in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let target = folder.path().join(below).join("target");
        for made in [&target, &folder.path().join("bin"), &folder.path().join("tmp")] {
            fs::create_dir_all(made).unwrap();
        }
        let (one, two) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let sandbox = Self { folder, target, auth: address(&one), movies: address(&two) };
        sandbox.stand_in("auth-server", AUTH_SERVER);
        sandbox.stand_in("movies-api", MOVIES_API);
        sandbox
    }

    /// Writes a stand-in for one of the binaries.
    pub fn stand_in(&self, name: &str, script: &str) {
        let record = format!("echo \"{name} $*\" >> \"$STAND_IN_FOLDER/calls\"");
        self.script(name, &format!("#!/bin/sh\n{record}\n{script}\n"));
    }

    /// Writes a stand-in for cargo that has no nextest.
    pub fn cargo(&self, script: &str) {
        self.cargo_with_nextest(&format!("[ $1 = nextest ] && exit 1\n{script}"));
    }

    /// Writes a stand-in for cargo that passes only `metadata` on.
    pub fn cargo_with_nextest(&self, script: &str) {
        let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let metadata = format!("[ $1 = metadata ] && exec '{real}' \"$@\"");
        self.script("cargo", &format!("#!/bin/sh\n{metadata}\n{script}\n"));
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Starts `xtask up` with the stand-ins.
    pub fn up(&self, args: &[&str]) -> Run {
        self.up_with(args, &[])
    }

    /// Starts `xtask up` with the stand-ins and settings.
    pub fn up_with(&self, args: &[&str], settings: &[(&str, &str)]) -> Run {
        let _ = fs::remove_file(self.folder.path().join("calls"));
        let mut command = self.xtask();
        command.arg("up").arg("--bin-dir").arg(self.folder.path().join("bin")).args(args);
        Run::start(command.envs(settings.iter().copied()))
    }

    /// Starts `xtask test` with the stand-in for cargo.
    pub fn test(&self, args: &[&str], settings: &[(&str, &str)]) -> Run {
        let mut command = self.xtask();
        command.env("CARGO", self.folder.path().join("bin/cargo"));
        Run::start(command.arg("test").args(args).envs(settings.iter().copied()))
    }

    /// Puts what a Postgres started here keeps on a disk of its own.
    pub fn on_a_small_disk(&self, megabytes: u32) -> Option<disk::Disk> {
        disk::Disk::over(&self.target, megabytes)
    }

    /// Starts a Postgres of its own that obeys.
    pub fn postgres(&self) -> Ordered {
        let mut command = self.xtask();
        Ordered::start(command.arg("__postgres"))
    }

    fn xtask(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MYAPI_") || name == "DATABASE_URL") {
            command.env_remove(name);
        }
        command
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", &self.target)
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("MYAPI_AUTH__BIND", &self.auth)
            .env("MYAPI_MOVIES__BIND", &self.movies)
            .env("STAND_IN_FOLDER", self.folder.path())
            .env("STAND_IN_EXE", std::env::current_exe().unwrap());
        command
    }

    /// xtask's folder.
    pub fn scratch(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// What the last run called, with the paths of the checkout and of xtask's folder left out.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display().to_string();
        let scratch = self.scratch().display().to_string();
        text.replace(&checkout, "CHECKOUT").replace(&scratch, "SCRATCH").lines().map(str::to_owned).collect()
    }

    /// What `create-user` read.
    pub fn given_password(&self) -> String {
        fs::read_to_string(self.folder.path().join("password")).unwrap()
    }

    /// The entries of the temporary folder.
    pub fn temporary(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// How many clusters of `xtask test` there are.
    pub fn clusters(&self) -> usize {
        fs::read_dir(self.scratch().join("test")).unwrap().count()
    }

    /// The command lines of all processes that belong to runs in here.
    pub fn processes(&self) -> Vec<String> {
        let marker = self.folder.path().display().to_string();
        let ids =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse().ok());
        ids.filter(|&id: &u32| id != std::process::id()).filter_map(|id| command_line(id, &marker)).collect()
    }

    /// Waits until none is left.
    pub fn assert_nothing_runs(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "still running: {:#?}", self.processes());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills this sandbox's guards, and xtask itself, with -9.
    pub fn kill_9_every_xtask(&self) {
        for line in self.processes().iter().filter(|line| line.contains("__guard") || line.contains(" up ")) {
            let id = line.split_once(':').unwrap().0;
            assert!(Command::new("kill").args(["-9", id]).status().unwrap().success());
        }
    }
}

/// `ID: COMMAND LINE`, if the process names `marker` there or in its environment and is no zombie.
fn command_line(id: u32, marker: &str) -> Option<String> {
    let read = |file: &str| {
        fs::read(format!("/proc/{id}/{file}")).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
    };
    let line = read("cmdline").ok().filter(|line| !line.is_empty())?;
    let is_ours = line.contains(marker) || read("environ").is_ok_and(|text| text.contains(marker));
    is_ours.then(|| format!("{id}: {line}"))
}
