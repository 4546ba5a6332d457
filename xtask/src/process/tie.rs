//! A command that the kernel stops when its parent dies. Linux only; elsewhere the command is run as it is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result};
#[cfg(target_os = "linux")]
use rustix::process::{getppid, set_parent_process_death_signal};

use super::{Ids, StopSignal, copy_surroundings};
use crate::cli::Exec;

/// This program. The link works after the file was replaced, and for a user who may not enter its folder.
pub const SELF: &str = "/proc/self/exe";

/// `command`, to be run as `ids` and stopped with `signal` when the thread that spawns it ends.
pub fn wrap(command: &Command, signal: StopSignal, ids: Option<Ids>) -> Command {
    let mut wrapper = if can_become_self(ids) {
        let mut wrapper = Command::new(SELF);
        wrapper.args(["__exec", "--signal", signal.name(), "--parent", &process::id().to_string(), "--"]);
        wrapper.arg(command.get_program());
        wrapper
    } else {
        Command::new(command.get_program())
    };
    wrapper.args(command.get_args());
    copy_surroundings(command, &mut wrapper);
    if let Some(ids) = ids {
        // The standard library drops root's supplementary groups on the way.
        wrapper.uid(ids.uid).gid(ids.gid);
    }
    wrapper
}

/// Whether this program's file may be executed by `ids` (a umask of 077 forbids it).
fn can_become_self(ids: Option<Ids>) -> bool {
    let mode = || fs::metadata(SELF).map(|file| file.mode());
    cfg!(target_os = "linux") && mode().is_ok_and(|mode| ids.is_none() || mode & 0o005 == 0o005)
}

/// `xtask __exec`: asks for the signal, then becomes the program.
///
/// # Errors
/// When the parent is gone already, or the program cannot be started.
pub fn run(options: &Exec) -> Result<ExitCode> {
    #[cfg(target_os = "linux")]
    {
        set_parent_process_death_signal(Some(options.signal.signal())).context("cannot ask for a death signal")?;
        // The parent may have died before the line above.
        let parent = getppid().map(|pid| pid.as_raw_pid().unsigned_abs());
        anyhow::ensure!(parent == Some(options.parent), "the process that asked for this is gone");
    }
    let (program, args) = options.program.split_first().context("no program")?;
    let error = Command::new(program).args(args).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
