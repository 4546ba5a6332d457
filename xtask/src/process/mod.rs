//! Children that never outlive this program, not even when it is killed with -9.
//!
//! 1. A long-lived child (Postgres, a service, cargo) is started by a *guard*: this program again, as
//!    `xtask __guard`, in a process group of its own so that the terminal's Ctrl-C does not reach it first. The guard's
//!    standard input is a pipe that the parent holds. A byte asks it to stop the child; the end of the pipe, which the
//!    kernel delivers however the parent died, asks the same.
//! 2. On Linux the guard starts the child through `xtask __exec`, which asks the kernel for a signal at the death of
//!    the guard (`PR_SET_PDEATHSIG`) and then becomes the child: killing the guards as well leaves nothing either.
//! 3. A short command (initdb, a migration) needs its standard input and gets only step 2, tied to this program.

use std::process::Command;

use clap::ValueEnum;
use rustix::process::Signal;

pub mod guard;
pub mod guarded;
pub mod once;
pub mod tie;

/// How a program is asked to stop in its own good order.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum StopSignal {
    /// SIGINT: for Postgres the fast shutdown, for cargo and nextest what Ctrl-C is.
    Int,
    /// SIGTERM: a service drains.
    Term,
}

impl StopSignal {
    /// The signal itself.
    pub fn signal(self) -> Signal {
        match self {
            Self::Int => Signal::INT,
            Self::Term => Signal::TERM,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Term => "term",
        }
    }
}

/// A user and group to run a program as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ids {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Copies the environment changes and the folder of `from`, for a wrapper that starts it.
fn copy_surroundings(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    if let Some(folder) = from.get_current_dir() {
        to.current_dir(folder);
    }
}
