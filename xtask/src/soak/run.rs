//! A run: each soak that was asked for, round after round, and what is kept of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use shared::output;

use super::figures::{Bound, Figure};
use super::table::{Place, SOAKS, Soak};
use super::two_versions::Older;
use crate::bench::cores::Cores;
use crate::bench::database::with_database;
use crate::bench::figures::Machine;
use crate::checkout::Checkout;
use crate::cli;
use crate::environment::Environment;
use crate::folder;
use crate::interrupt::Interrupt;
use crate::lock::{self, Attempt, Lock};
use crate::progress::{Step, print, say};
use crate::up::build::{self, Profile, Programs};
use crate::up::services;

/// Where the last result of each soak lies in the checkout.
const KEPT: &str = "deploy/soak.json";

/// The last result of one soak.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Kept {
    version: String,
    machine: String,
    seconds: u64,
    rounds: u32,
    is_kept: bool,
    beside: String,
    figures: Vec<Figure>,
}

/// Runs the soaks, prints what they measure, and keeps it. Exit code 1 when a figure does not keep its bound.
///
/// # Errors
/// Whatever keeps a soak from running.
pub fn run(options: &cli::Soak) -> Result<ExitCode> {
    let chosen = choose(options.name.as_deref())?;
    let interrupt = Interrupt::listen()?;
    let environment = Environment::read()?;
    services::refuse_conflicts("soak", &environment)?;
    let checkout = Checkout::find()?;
    let _lock = take_lock(&checkout)?;
    let programs = match &options.bin_dir {
        Some(folder) => Programs::at(folder)?,
        None => build::build(&checkout, Profile::Release, &interrupt)?,
    };
    let mut is_kept = true;
    for soak in chosen {
        let figures = rounds(soak, options, &checkout, &environment, &programs, &interrupt)?;
        let kept = keep(soak, options, figures);
        print(&text(soak, &kept));
        merge(&checkout.root.join(KEPT), soak.name, &kept)?;
        say(&format!("        Kept {KEPT}"));
        is_kept &= kept.is_kept;
    }
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose(name: Option<&str>) -> Result<Vec<&'static Soak>> {
    let Some(name) = name else { return Ok(SOAKS.iter().collect()) };
    match SOAKS.iter().find(|soak| soak.name == name) {
        Some(soak) => Ok(vec![soak]),
        None => {
            let all: Vec<String> = SOAKS.iter().map(|soak| format!("{} ({})", soak.name, soak.what)).collect();
            bail!("there is no soak `{name}`; those that there are: {}", all.join(", "))
        }
    }
}

/// Two runs at once would measure each other.
fn take_lock(checkout: &Checkout) -> Result<Lock> {
    let scratch = checkout.scratch();
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    match lock::attempt(&scratch.join("soak.lock"))? {
        Attempt::Locked(lock) => Ok(lock),
        Attempt::HeldBy(_) => bail!("`cargo xtask soak` is running in this checkout already: wait for its end"),
    }
}

fn rounds(
    soak: &Soak,
    options: &cli::Soak,
    checkout: &Checkout,
    environment: &Environment,
    programs: &Programs,
    interrupt: &Interrupt,
) -> Result<Vec<Figure>> {
    let home = checkout.scratch().join("soak");
    let step = Step::start("Soaking", soak.name);
    let mut figures: Vec<Figure> = Vec::new();
    for round in 1..=options.rounds {
        step.now(&format!("{}, round {round} of {}", soak.name, options.rounds));
        // Another round's keys.
        folder::remove(&home)?;
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let measured = with_database(checkout, &Cores::undivided(), interrupt, |database| {
            let (programs, length) = (programs.clone(), Duration::from_secs(options.seconds.into()));
            let (home, times) = (home.as_path(), options.times);
            let older = Older { bin_dir: options.old_bin_dir.as_deref(), revision: options.old.as_deref() };
            (soak.trial)(&Place { checkout, programs, environment, home, database, length, times, older }, interrupt)
        })?;
        figures = if figures.is_empty() { measured } else { worst(figures, measured) };
    }
    folder::remove(&home)?;
    step.done(&format!("{}, {} rounds", soak.name, options.rounds));
    Ok(figures)
}

/// A figure that only one of the rounds has counts as well.
fn worst(mut before: Vec<Figure>, measured: Vec<Figure>) -> Vec<Figure> {
    for figure in measured {
        match before.iter().position(|other| (&other.part, &other.name) == (&figure.part, &figure.name)) {
            Some(at) => {
                let other = before.remove(at);
                before.insert(at, other.or_worse(figure));
            }
            None => before.push(figure),
        }
    }
    before
}

fn keep(soak: &Soak, options: &cli::Soak, figures: Vec<Figure>) -> Kept {
    let cores = Cores::undivided();
    let machine = Machine::here(cores.count(), String::new());
    let processor = machine.processor.as_deref().unwrap_or("unknown processor");
    Kept {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: format!("{} cores of {processor}", machine.cores),
        seconds: options.seconds.into(),
        rounds: options.rounds,
        is_kept: figures.iter().all(Figure::is_kept),
        beside: soak.beside.to_owned(),
        figures,
    }
}

/// Writes one soak's result among those of the others.
fn merge(file: &Path, name: &str, kept: &Kept) -> Result<()> {
    let mut all: BTreeMap<String, serde_json::Value> = match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    all.insert(name.to_owned(), serde_json::to_value(kept)?);
    let json = serde_json::to_string_pretty(&all)? + "\n";
    fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

fn text(soak: &Soak, kept: &Kept) -> String {
    let mut table = output::table(["part", "figure", "value", "bound", ""]);
    for figure in &kept.figures {
        let bound = match figure.bound {
            None => String::new(),
            Some(Bound::AtMost(bound)) => format!("at most {bound:.1}"),
            Some(Bound::AtLeast(bound)) => format!("at least {bound:.1}"),
        };
        let verdict = if figure.is_kept() { "" } else { "MISSED" };
        let value = format!("{:>9.2}", figure.value);
        table.add_row([figure.part.clone(), figure.name.clone(), value, bound, verdict.to_owned()]);
    }
    let Soak { name, what, beside, .. } = soak;
    let Kept { machine, seconds, rounds, .. } = kept;
    format!(
        "{name}: {what}\n{table}\n\n{rounds} rounds of {seconds} s, the worst counts; {machine}.\nBeside: {beside}.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(value: f64) -> Kept {
        let figures = vec![Figure::new("part", "name", value).at_most(1.0)];
        let is_kept = figures.iter().all(Figure::is_kept);
        let [version, machine, beside] = ["1", "none", "nothing"].map(str::to_owned);
        Kept { version, machine, seconds: 1, rounds: 1, is_kept, beside, figures }
    }

    #[test]
    fn a_result_replaces_its_own_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("soak.json");
        for (name, value) in [("one", 1.0), ("two", 2.0), ("one", 3.0)] {
            merge(&file, name, &kept(value)).unwrap();
        }
        let all: BTreeMap<String, Kept> = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let values: Vec<_> = all.iter().map(|(name, kept)| (name.as_str(), kept.figures[0].value)).collect();
        assert_eq!(values, [("one", 3.0), ("two", 2.0)]);
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let error = choose(Some("flod")).err().unwrap().to_string();
        assert!(error.contains("login-flood"), "{error}");
    }
}
