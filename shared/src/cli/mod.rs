//! What the command lines of the services have in common, so that they look and end alike: the exit codes, `config`,
//! `completions`, `man`, `healthcheck`, and the connection of commands that work on the database.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong use (clap's).

mod config;
mod database;
mod doctor;
mod documents;
mod healthcheck;
mod input;

use std::error::Error;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

pub use config::{ConfigCommand, print_good, print_settings};
pub use database::{ConnectError, connect};
pub use doctor::{DoctorError, Examination, Health, Look, fetch_json};
pub use documents::{Completions, Man};
pub use healthcheck::{Healthcheck, HealthcheckError};
pub use input::open_input;

use crate::{telemetry, traces};

/// Runs a command on a runtime of its own, prints its error, and tells the exit code.
pub fn run<E>(command: impl Future<Output = Result<(), E>>) -> ExitCode
where
    E: AsRef<dyn Error + Send + Sync> + From<io::Error>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(E::from).and_then(|runtime| {
        runtime.block_on(async {
            let result = command.await;
            // On this runtime, which sends them.
            traces::stop().await;
            result
        })
    });
    // Before the error: it is the last word.
    telemetry::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error.as_ref()),
    }
}

/// A reader that has seen enough (`… | head`) needs no message.
fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    let is_unread = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    if !is_unread {
        // With stderr closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "error: {}", chain(error));
    }
    ExitCode::FAILURE
}

/// The error and its causes in one line. Some errors repeat their cause in their own text; it is said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let reason = inner.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = inner.source();
    }
    text
}

/// Reads the value of a flag `--bind ADDRESS`.
///
/// # Errors
/// What an address looks like.
pub fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "it is an IP address and a port, such as 127.0.0.1:8000 or [::1]:8000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Because {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn causes_are_said_once() {
        let because = |text| Because { text, source: io::Error::other("disk is full") };
        assert_eq!(chain(&because("cannot write")), "cannot write: disk is full");
        assert_eq!(chain(&because("cannot write: disk is full")), "cannot write: disk is full");
    }
}
