//! `cargo xtask test`: the whole suite on a private Postgres.
//!
//! 1. Start a fresh throwaway cluster, unless `DATABASE_URL` names a server.
//! 2. Run cargo nextest, or cargo test where nextest is missing.
//! 3. Run the doctests, which nextest does not know.
//! 4. Stop the cluster and remove it, whatever happened; its guard does so if this program is killed.

use std::env;
use std::ffi::OsStr;
use std::io::Read;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::cli::Test;
use crate::interrupt::Interrupt;
use crate::postgres::throwaway;
use crate::process::StopSignal;
use crate::process::guarded::{Guarded, Output, Watch};
use crate::progress::{Step, print, say};

/// What the runner gets to stop its tests in.
const RUNNER_GRACE: Duration = Duration::from_secs(30);

/// Runs the suite; the exit code is the runner's.
///
/// # Errors
/// When Postgres or the runner cannot be started, or somebody interrupts.
pub fn run(options: &Test, interrupt: &Interrupt) -> Result<ExitCode> {
    let checkout = Checkout::find()?;
    let given = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    if given.is_some() {
        say("    Database DATABASE_URL is set: the tests use that server");
        return suite(&checkout, options, None, interrupt);
    }
    throwaway::with_server(&checkout, interrupt, |url| suite(&checkout, options, Some(url), interrupt))
}

fn suite(checkout: &Checkout, options: &Test, url: Option<&str>, interrupt: &Interrupt) -> Result<ExitCode> {
    let command = || {
        let mut cargo = checkout.cargo();
        if let Some(url) = url {
            cargo.env("DATABASE_URL", url);
        }
        cargo
    };
    let has_nextest = has_nextest(command());
    let mut runner = command();
    runner.args(runner_args(has_nextest, &options.args));
    let status = guarded(&runner, Output::Inherit, interrupt)?.wait()?;
    // Arguments are the runner's and mean nothing to the doctests; cargo test has run them itself.
    let doctests = if has_nextest && options.args.is_empty() { doctests(command(), interrupt)? } else { 0 };
    Ok(ExitCode::from(if status.success() { doctests } else { code(status) }))
}

fn runner_args(has_nextest: bool, extra: &[impl AsRef<OsStr>]) -> Vec<&OsStr> {
    let extra: Vec<&OsStr> = extra.iter().map(AsRef::as_ref).collect();
    let mut args: Vec<&OsStr> =
        if has_nextest { vec!["nextest".as_ref(), "run".as_ref()] } else { vec!["test".as_ref()] };
    let names_a_package = |arg: &&OsStr| {
        let bytes = arg.as_encoded_bytes();
        bytes.starts_with(b"-p") || bytes.starts_with(b"--package") || bytes == b"--workspace"
    };
    if !extra.iter().any(names_a_package) {
        args.push("--workspace".as_ref());
    }
    if !extra.iter().any(|arg| arg.as_encoded_bytes().ends_with(b"fail-fast")) {
        args.push("--no-fail-fast".as_ref());
    }
    args.extend(extra);
    args
}

fn has_nextest(mut cargo: Command) -> bool {
    let answer =
        cargo.args(["nextest", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    answer.is_ok_and(|status| status.success())
}

/// Runs the doctests and says one line about them, so that the runner's own summary stays in sight. What they print is
/// shown when one fails.
fn doctests(mut cargo: Command, interrupt: &Interrupt) -> Result<u8> {
    let step = Step::start("Doctests", "running");
    cargo.args(["test", "--doc", "--workspace", "--no-fail-fast", "--quiet"]);
    let mut running = guarded(&cargo, Output::Pipe, interrupt)?;
    let stdout = running.take_stdout().context("the doctests have no output")?;
    let reader = thread::spawn(move || {
        let (mut stdout, mut bytes) = (stdout, Vec::new());
        let _ = stdout.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let status = running.wait()?;
    let said = reader.join().unwrap_or_default();
    if status.success() {
        step.done(&format!("{} passed", passed(&said)));
    } else {
        drop(step);
        print(&said);
        say("    Doctests FAILED");
    }
    Ok(code(status))
}

/// The sum over `test result: ok. 3 passed; 0 failed; …` lines.
fn passed(said: &str) -> u32 {
    let results = said.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results.filter_map(|line| line.split_whitespace().next()?.parse::<u32>().ok()).sum()
}

fn guarded(command: &Command, output: Output, interrupt: &Interrupt) -> Result<Guarded> {
    // The group, because cargo does not pass a signal on to its compilers and test programs.
    let watch = Watch { signal: StopSignal::Int, grace: RUNNER_GRACE, group: true, ids: None, remove: Vec::new() };
    Guarded::spawn(command, watch, output, interrupt)
}

fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_run_unless_a_package_is_named() {
        let none: [&str; 0] = [];
        assert_eq!(runner_args(true, &none), ["nextest", "run", "--workspace", "--no-fail-fast"]);
        assert_eq!(runner_args(false, &none), ["test", "--workspace", "--no-fail-fast"]);
        assert_eq!(
            runner_args(true, &["-p", "shared", "clock"]),
            ["nextest", "run", "--no-fail-fast", "-p", "shared", "clock"]
        );
        assert_eq!(runner_args(true, &["--fail-fast"]), ["nextest", "run", "--workspace", "--fail-fast"]);
    }

    #[test]
    fn passed_doctests_are_added_up() {
        let said = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed;\n\nrunning 1 test\n.\ntest result: ok. 1 passed; 0 failed;\n";
        assert_eq!(passed(said), 3);
        assert_eq!(passed(""), 0);
    }
}
