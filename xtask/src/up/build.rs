//! Gets the two binaries.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::interrupt::Interrupt;
use crate::process::StopSignal;
use crate::process::guarded::{Guarded, Output, Watch};
use crate::progress::say;

/// The binary that gives tokens.
pub const AUTH: &str = "auth-server";
/// The binary that takes them.
pub const MOVIES: &str = "movies-api";

/// What cargo gets to stop its compilers in.
const CARGO_GRACE: Duration = Duration::from_secs(10);

/// The two binaries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Programs {
    /// auth-server.
    pub auth: PathBuf,
    /// movies-api.
    pub movies: PathBuf,
}

impl Programs {
    /// The ones in `folder`.
    ///
    /// # Errors
    /// When one is missing.
    pub fn at(folder: &Path) -> Result<Self> {
        let find = |name| {
            folder.join(name).canonicalize().with_context(|| format!("there is no {name} in {}", folder.display()))
        };
        Ok(Self { auth: find(AUTH)?, movies: find(MOVIES)? })
    }
}

/// How they are built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// With less than half the work, much of which the tests need as well. Hashes of passwords are optimised here too.
    Dev,
    /// Optimised, for whatever is measured.
    Release,
}

/// Builds them, cargo's own progress in sight.
///
/// # Errors
/// When the build fails or somebody interrupts.
pub fn build(checkout: &Checkout, profile: Profile, interrupt: &Interrupt) -> Result<Programs> {
    say("    Building auth-server and movies-api (the first build takes several minutes, later ones seconds)");
    let mut cargo = checkout.cargo();
    cargo.args(["build", "-p", AUTH, "-p", MOVIES, "--bins"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    // Cargo says where it put them: a target triple or a setting may move them.
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let watch = Watch { signal: StopSignal::Int, grace: CARGO_GRACE, group: true, ids: None, remove: Vec::new() };
    let mut running = Guarded::spawn(&cargo, watch, Output::Pipe, interrupt)?;
    let stdout = running.take_stdout().context("cargo has no output")?;
    let reader = thread::spawn(move || read_programs(stdout));
    let status = running.wait()?;
    if !status.success() {
        bail!("the build failed");
    }
    match reader.join() {
        Ok((Some(auth), Some(movies))) => Ok(Programs { auth, movies }),
        _ => bail!("cargo did not say where it put {AUTH} and {MOVIES}"),
    }
}

fn read_programs(from: impl Read) -> (Option<PathBuf>, Option<PathBuf>) {
    let mut found = (None, None);
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        let message: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let program = message.get("executable").and_then(|path| path.as_str()).map(PathBuf::from);
        match message.pointer("/target/name").and_then(|name| name.as_str()) {
            Some(AUTH) if program.is_some() => found.0 = program,
            Some(MOVIES) if program.is_some() => found.1 = program,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"auth-server"},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"auth-server"},"executable":"/t/release/auth-server"}
            not json
            {"reason":"compiler-artifact","target":{"name":"movies-api"},"executable":"/t/release/movies-api"}
            {"reason":"build-finished","success":true}"#;
        let (auth, movies) = read_programs(messages.as_bytes());
        assert_eq!(auth.as_deref(), Some(Path::new("/t/release/auth-server")));
        assert_eq!(movies.as_deref(), Some(Path::new("/t/release/movies-api")));
    }
}
