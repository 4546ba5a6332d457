//! Soaks that are CI's own tests with more rounds, against the binaries that are to be tried.
//!
//! The tests are built as CI builds them; `MYAPI_TEST_BIN_DIR` names the binaries, `MYAPI_TEST_ROUNDS` says how often, and
//! what they measure comes by the file that `MYAPI_TEST_FIGURES` names (`shared::testing::figures`).

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::figures::Figure;
use super::table::Place;
use crate::folder;
use crate::interrupt::Interrupt;
use crate::postgres::server::tail;
use crate::process::StopSignal;
use crate::process::guarded::{Guarded, Output, Watch};
use crate::progress::say;

/// What tests get to stop their processes in.
const GRACE: Duration = Duration::from_secs(30);

/// A test of this workspace.
#[derive(Clone, Copy, Debug)]
pub struct CiTest {
    /// Its package.
    pub package: &'static str,
    /// Its test target.
    pub target: &'static str,
    /// Its whole name.
    pub name: &'static str,
    /// How many rounds the soak asks for.
    pub rounds: u32,
}

/// Runs them one after the other. One that fails is a figure as well, and its last words are shown.
///
/// # Errors
/// When cargo cannot be run, or the figures cannot be read.
pub fn run(place: &Place<'_>, interrupt: &Interrupt, tests: &[CiTest]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for test in tests {
        figures.extend(run_one(place, interrupt, test)?);
    }
    Ok(figures)
}

fn run_one(place: &Place<'_>, interrupt: &Interrupt, test: &CiTest) -> Result<Vec<Figure>> {
    let (log, kept) = (place.home.join("test.log"), place.home.join("figures.jsonl"));
    for file in [&log, &kept] {
        // Of the test before; that it is not there is as good.
        drop(fs::remove_file(file));
    }
    let cargo = || {
        let mut cargo = place.checkout.cargo();
        cargo.args(["test", "--quiet", "--package", test.package, "--test", test.target]);
        cargo
    };
    // First alone: the queries of a build are checked against another database than the one for the tests.
    let mut build = cargo();
    build.arg("--no-run");
    if !guarded(&build, Output::Inherit, interrupt)?.success() {
        bail!("the tests of {} cannot be built", test.package);
    }
    let rounds = place.times.unwrap_or(test.rounds);
    let mut run = cargo();
    run.args(["--", "--exact", test.name, "--nocapture"]);
    run.env("DATABASE_URL", &place.database.url).env("MYAPI_TEST_REQUIRE", "all");
    run.env("MYAPI_TEST_ROUNDS", rounds.to_string()).env("MYAPI_TEST_FIGURES", &kept);
    if let Some(folder) = place.programs.auth.parent() {
        run.env("MYAPI_TEST_BIN_DIR", folder);
    }
    let status = guarded(&run, Output::File(folder::create_log(&log)?), interrupt)?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    // A name that is no test's is no failure to cargo.
    let has_passed = status.success() && said.contains("test result: ok. 1 passed");
    if !has_passed {
        say(&format!("      FAILED {} ({rounds} rounds). The end of what it said:\n{}", test.name, tail(&log, 30)));
    }
    let mut figures = read(&kept)?;
    let name = test.name.rsplit("::").next().unwrap_or(test.name);
    figures.push(Figure::new(name, "failed", f64::from(u8::from(!has_passed))).at_most(0.0));
    Ok(figures)
}

fn guarded(command: &Command, output: Output, interrupt: &Interrupt) -> Result<ExitStatus> {
    let watch = Watch { signal: StopSignal::Int, grace: GRACE, group: true, ids: None, remove: Vec::new() };
    Guarded::spawn(command, watch, output, interrupt)?.wait()
}

fn read(kept: &Path) -> Result<Vec<Figure>> {
    let text = fs::read_to_string(kept).unwrap_or_default();
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("`{line}` is no figure"));
    text.lines().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::figures::Bound;

    #[test]
    fn a_tests_lines_are_figures() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = "{\"part\":\"p\",\"name\":\"a\",\"value\":1.5,\"bound\":null}\n{\"part\":\"p\",\"name\":\"b\",\"value\":2.0,\"bound\":{\"at_most\":3.0}}\n";
        fs::write(file.path(), lines).unwrap();
        let figures = read(file.path()).unwrap();
        assert_eq!(figures[0], Figure::new("p", "a", 1.5));
        assert_eq!(figures[1].bound, Some(Bound::AtMost(3.0)));
        assert!(read(Path::new("/nowhere")).unwrap().is_empty());
    }
}
