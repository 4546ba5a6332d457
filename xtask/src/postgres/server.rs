//! The running server.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::account::Account;
use super::binaries::Binaries;
use super::pid_file::PidFile;
use super::{Place, url};
use crate::folder;
use crate::interrupt::Interrupt;
use crate::process::StopSignal;
use crate::process::guarded::{Guarded, Output, Watch};

/// How long a server may take to become ready; recovery after a crash is part of it.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a fast shutdown may take before the server is killed.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// How long a run waits for the server of a killed run to stop.
const PREDECESSOR_PATIENCE: Duration = Duration::from_secs(40);

/// What a crash of the machine may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Nothing that was committed. The server's own defaults.
    Kept,
    /// Everything: for data that nobody misses, several times quicker. Room for many test processes.
    Throwaway,
}

impl Durability {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Kept => &["max_connections=100"],
            Self::Throwaway => &["max_connections=200", "fsync=off", "synchronous_commit=off", "full_page_writes=off"],
        }
    }
}

/// A running private server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    guarded: Guarded,
    place: Place,
}

impl Server {
    /// Starts the cluster in `place` and waits until it accepts connections.
    ///
    /// # Errors
    /// When it does not; with the end of its log.
    pub fn start(
        binaries: &Binaries,
        account: &Account,
        place: Place,
        durability: Durability,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let before = PidFile::find(&place.data);
        let log = folder::create_log(&place.log)?;
        let watch = Watch {
            signal: StopSignal::Int,
            grace: STOP_GRACE,
            group: false,
            ids: account.ids,
            remove: place.remove.clone(),
        };
        let command = command(binaries, &place, durability);
        let mut guarded = Guarded::spawn(&command, watch, Output::File(log), interrupt)?;

        let deadline = Instant::now() + START_PATIENCE;
        loop {
            // A file that was there before speaks of a dead server, whatever it says.
            let now =
                PidFile::find(&place.data).filter(|now| before.as_ref().is_none_or(|before| !now.is_same(before)));
            if now.is_some_and(|now| now.is_ready) {
                return Ok(Self { guarded, place });
            }
            if guarded.find_exit()?.is_some() || Instant::now() > deadline {
                bail!("Postgres did not start. The end of {}:\n{}", place.log.display(), tail(&place.log, 15));
            }
            interrupt.pause()?;
        }
    }

    /// The connection URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        url::database_url(&self.place.socket, database)
    }

    /// The folder of its files.
    pub fn data(&self) -> &Path {
        &self.place.data
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &Path {
        &self.place.socket
    }

    /// # Errors
    /// When it has ended by itself; with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.guarded.find_exit()? {
            None => Ok(()),
            Some(_) => bail!("Postgres ended. The end of {}:\n{}", self.place.log.display(), tail(&self.place.log, 15)),
        }
    }

    /// Ends it by this signal and waits for its end: `INT` is a fast shutdown, `QUIT` an immediate one, after which the
    /// next start recovers.
    ///
    /// # Errors
    /// When it is not there, or its guard cannot be waited for.
    pub fn end(mut self, signal: Signal) -> Result<()> {
        let file = PidFile::find(&self.place.data).context("the server has no postmaster.pid")?;
        let pid = Pid::from_raw(file.pid).context("the server has no process id")?;
        kill_process(pid, signal).context("cannot signal the server")?;
        self.guarded.wait().map(drop)
    }

    /// Stops it (fast shutdown) and waits for its end.
    ///
    /// # Errors
    /// When its guard cannot be waited for.
    pub fn stop(mut self) -> Result<()> {
        self.guarded.stop().map(drop)
    }
}

fn command(binaries: &Binaries, place: &Place, durability: Durability) -> Command {
    let mut command = binaries.command("postgres");
    command
        .arg("-D")
        .arg(&place.data)
        .args(["-p", &url::PORT.to_string(), "-c", "listen_addresses=", "-k"])
        .arg(&place.socket);
    // Its own files would otherwise be switched off the log that is shown when a start fails.
    for setting in ["logging_collector=off"].iter().chain(durability.settings()) {
        command.args(["-c", setting]);
    }
    command
}

/// Waits until the server of a run that was killed has stopped: its guard is at it.
///
/// # Errors
/// When it does not stop.
pub fn wait_for_predecessor(data: &Path, interrupt: &Interrupt) -> Result<()> {
    let deadline = Instant::now() + PREDECESSOR_PATIENCE;
    while let Some(file) = PidFile::find(data).filter(|file| is_postgres(file.pid)) {
        if Instant::now() > deadline {
            bail!("another Postgres (process {}) runs on {}: stop it first", file.pid, data.display());
        }
        interrupt.pause()?;
    }
    // What is left was written by a server that is dead. In a container its id may be somebody else's by now, and then
    // the new server would refuse to start.
    match fs::remove_file(data.join("postmaster.pid")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("cannot remove a stale postmaster.pid")
        }
        _ => Ok(()),
    }
}

/// Whether that process lives and is a Postgres, as far as one can tell.
pub fn is_postgres(pid: i32) -> bool {
    let Some(process) = Pid::from_raw(pid) else {
        return false;
    };
    if matches!(test_kill_process(process), Err(rustix::io::Errno::SRCH)) {
        return false;
    }
    // Where there is no /proc, a living process is taken for what it was.
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or(!Path::new("/proc/self").exists(), |name| name.trim() == "postgres")
}

/// The last lines of a file.
pub fn tail(path: &Path, count: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).copied().collect::<Vec<_>>().join("\n")
}
