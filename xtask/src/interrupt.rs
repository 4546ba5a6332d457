//! Ctrl-C, SIGTERM and a closed terminal as a flag that every wait looks at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a wait looks at the flag and at its children.
pub const POLL: Duration = Duration::from_millis(20);

/// Says whether somebody asked this program to stop.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts listening, for the life of the program.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn listen() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("cannot listen for Ctrl-C")?;
        }
        Ok(Self(flag))
    }

    /// Whether a stop was asked for.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets the first request, so that a second one can be told from it.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Sleeps for one poll.
    ///
    /// # Errors
    /// [`Interrupted`], when a stop was asked for.
    pub fn pause(&self) -> Result<()> {
        self.check()?;
        thread::sleep(POLL);
        self.check()
    }

    /// # Errors
    /// [`Interrupted`], when a stop was asked for.
    pub fn check(&self) -> Result<()> {
        if self.is_raised() { Err(Interrupted.into()) } else { Ok(()) }
    }
}

/// The error of work that was given up because of [`Interrupt`].
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
