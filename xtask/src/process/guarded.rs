//! The parent's handle on a guard.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, path::Path};

use anyhow::{Context, Result};

use super::{Ids, StopSignal, copy_surroundings, guard, tie};
use crate::interrupt::{Interrupt, POLL};

/// Signals this close together are one request to stop.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// What a guard gets beyond its program's grace.
const GUARD_MARGIN: Duration = Duration::from_secs(5);

/// How a guard treats its program.
#[derive(Clone, Debug)]
pub struct Watch {
    /// How the program is asked to stop.
    pub signal: StopSignal,
    /// How long it then has, in whole seconds, before it is killed.
    pub grace: Duration,
    /// Whether signals go to its whole process group.
    pub group: bool,
    /// Whom it runs as, if not as this program's user.
    pub ids: Option<Ids>,
    /// Folders that the guard removes at the end, also when this program is gone by then.
    pub remove: Vec<PathBuf>,
}

/// Where a guarded program's output goes.
#[derive(Debug)]
pub enum Output {
    /// To this program's own.
    Inherit,
    /// Standard output to [`Guarded::take_stdout`], standard error to this program's own.
    Pipe,
    /// Both to a file.
    File(File),
}

/// A running program with its guard. Dropping it stops the program and waits for its end.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
    grace: Duration,
    interrupt: Interrupt,
}

impl Guarded {
    /// Starts `command` under a guard. Its standard input is empty.
    ///
    /// # Errors
    /// When the guard cannot be started. A program that cannot be started ends the guard with code 1.
    pub fn spawn(command: &Command, watch: Watch, output: Output, interrupt: &Interrupt) -> Result<Self> {
        let mut guard = Command::new(own_program()?);
        guard.args(["__guard", "--signal", watch.signal.name(), "--grace", &watch.grace.as_secs().to_string()]);
        if watch.group {
            guard.arg("--group");
        }
        if let Some(ids) = watch.ids {
            guard.args(["--uid", &ids.uid.to_string(), "--gid", &ids.gid.to_string()]);
        }
        for folder in &watch.remove {
            guard.arg("--remove").arg(folder);
        }
        guard.arg("--").arg(command.get_program()).args(command.get_args());
        copy_surroundings(command, &mut guard);
        match output {
            Output::Inherit => {}
            Output::Pipe => {
                guard.stdout(Stdio::piped());
            }
            Output::File(file) => {
                guard.stdout(file.try_clone().context("cannot share a log file")?).stderr(file);
            }
        }
        let guard = guard.stdin(Stdio::piped()).process_group(0).spawn();
        let guard = guard.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { guard, grace: watch.grace, interrupt: interrupt.clone() })
    }

    /// The piped standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.guard.stdout.take()
    }

    /// The guard's process id.
    #[cfg(feature = "bench")]
    pub fn id(&self) -> u32 {
        self.guard.id()
    }

    /// How the program ended, if it has.
    ///
    /// # Errors
    /// When the guard cannot be waited for.
    pub fn find_exit(&mut self) -> Result<Option<ExitStatus>> {
        self.guard.try_wait().context("cannot wait for a guard")
    }

    /// Waits for the program's own end.
    ///
    /// # Errors
    /// When somebody interrupts, or the guard cannot be waited for.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.find_exit()? {
                return Ok(status);
            }
            self.interrupt.pause()?;
        }
    }

    /// Stops the program and waits for its end. Another Ctrl-C meanwhile kills it.
    ///
    /// # Errors
    /// When the guard cannot be waited for.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let stdin = self.guard.stdin.take();
        let Some(mut stdin) = stdin else {
            return self.guard.wait().context("cannot wait for a guard");
        };
        let _ = stdin.write_all(b"s");
        let asked = Instant::now();
        loop {
            if let Some(status) = self.find_exit()? {
                return Ok(status);
            }
            // What follows within half a second is the same request: `timeout` signals a program and then its group.
            if asked.elapsed() < SAME_REQUEST {
                self.interrupt.clear();
            }
            if self.interrupt.is_raised() || asked.elapsed() > self.grace + GUARD_MARGIN {
                let _ = stdin.write_all(&[guard::KILL]);
                return self.guard.wait().context("cannot wait for a guard");
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn own_program() -> io::Result<PathBuf> {
    let link = Path::new(tie::SELF);
    if link.exists() { Ok(link.to_path_buf()) } else { env::current_exe() }
}
