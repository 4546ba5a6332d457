//! A run from its lock to its result.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::cases::Case;
use super::cores::Cores;
use super::database::{Database, with_database};
use super::figures::{self, CaseFigures, Figures, Keycloak, Machine, PerCore};
use super::measured::{Lengths, Measured};
use super::raw::Costs;
use super::rig::{CONNECTIONS, Parts, Rig};
use super::{check, load, raw, report};
use crate::checkout::Checkout;
use crate::cli::Bench;
use crate::environment::Environment;
use crate::folder;
use crate::interrupt::Interrupt;
use crate::lock::{self, Attempt, Lock};
use crate::progress::Step;
use crate::up::build::{self, Profile, Programs};
use crate::up::services;

/// Measures and reports.
///
/// # Errors
/// Whatever keeps the pair from running or answering, with what to do about it.
pub fn run(options: &Bench) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let environment = Environment::read()?;
    services::refuse_conflicts("bench", &environment)?;
    let checkout = Checkout::find()?;
    let _lock = take_lock(&checkout)?;
    let programs = match &options.bin_dir {
        Some(folder) => Programs::at(folder)?,
        None => build::build(&checkout, Profile::Release, &interrupt)?,
    };
    let cores = Cores::find();
    let home = checkout.scratch().join("bench");
    // Another run's database and keys.
    folder::remove(&home)?;
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let result = with_database(&checkout, &cores, &interrupt, |database| {
        let parts =
            Parts { checkout: &checkout, programs, environment: &environment, home: &home, database, cores: &cores };
        let mut rig = Rig::start(parts, &interrupt)?;
        let plan = Plan::of(options);
        let has_parts = options.memory || options.routes;
        let is_whole = options.only.is_empty() && !has_parts;
        let wanted = if options.only.is_empty() && has_parts { Vec::new() } else { Case::wanted(&options.only) };
        let cases = measure(&mut rig, &wanted, plan, &cores, &interrupt)?;
        let mut figures = figures(cases, &rig, plan, &cores, database);
        if is_whole {
            let step = Step::start("Checks", "checking tokens");
            figures.checks = check::measure(plan.turns, &interrupt)?;
            step.done(&format!("{} turns", plan.turns));
            let step = Step::start("Refusals", "asking");
            figures.refusals = rig.refusals(plan.refusals, &cores, &interrupt)?;
            step.done(&format!("{} kinds", figures.refusals.len()));
        }
        if is_whole || options.memory {
            let step = Step::start("Memory", "starting services");
            figures.memory = rig.memory(plan.apart, &cores, &interrupt)?;
            step.done(&format!("{} services", figures.memory.len()));
        }
        if is_whole || options.routes {
            let step = Step::start("Routes", "asking, with the demo data and with a million films");
            figures.routes = rig.routes(database, plan.apart, &cores, &interrupt)?;
            step.done(&format!("{} routes", figures.routes.len()));
        }
        Ok(figures)
    })?;
    folder::remove(&home)?;
    report::report(&result, options, &checkout)?;
    Ok(ExitCode::SUCCESS)
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: u32,
    lengths: Lengths,
    /// Of what is measured once.
    apart: Lengths,
    /// Of the check of tokens.
    turns: u32,
    /// Refused logins of each kind.
    refusals: usize,
}

impl Plan {
    fn of(options: &Bench) -> Self {
        let second = Duration::from_secs(1);
        if options.quick {
            let lengths = Lengths { warm_up: second / 4, counted: second };
            return Self { rounds: 1, lengths, apart: lengths, turns: 3, refusals: 40 };
        }
        let lengths = Lengths { warm_up: second, counted: second * options.seconds };
        let apart = Lengths { warm_up: second / 2, counted: second * 2 };
        Self { rounds: options.rounds, lengths, apart, turns: 25, refusals: 200 }
    }
}

/// Two runs at once would measure each other.
fn take_lock(checkout: &Checkout) -> Result<Lock> {
    let scratch = checkout.scratch();
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    match lock::attempt(&scratch.join("bench.lock"))? {
        Attempt::Locked(lock) => Ok(lock),
        Attempt::HeldBy(_) => bail!("`cargo xtask bench` is running in this checkout already: wait for its end"),
    }
}

fn measure(
    rig: &mut Rig,
    wanted: &[Case],
    plan: Plan,
    cores: &Cores,
    interrupt: &Interrupt,
) -> Result<Vec<CaseFigures>> {
    let step = Step::start("Measuring", "starting");
    let mut rounds: Vec<(Case, Vec<Measured>)> = wanted.iter().map(|case| (*case, Vec::new())).collect();
    for number in 1..=plan.rounds {
        for (case, measured) in &mut rounds {
            interrupt.check()?;
            step.now(&format!("round {number} of {}: {}", plan.rounds, case.what()));
            measured.push(match rig.find_load(*case, plan.lengths, cores, interrupt)? {
                Some(load) => load::run(&load, plan.lengths, cores, interrupt),
                None if *case == Case::Keycloak => {
                    raw::run(&Costs::of_keycloak(rig.costs.threads)?, plan.lengths, interrupt)
                }
                None => raw::run(&rig.costs, plan.lengths, interrupt),
            }?);
            rig.check()?;
        }
    }
    step.done(&format!("{} cases, {} rounds", wanted.len(), plan.rounds));
    Ok(rounds.iter().map(|(case, measured)| CaseFigures::of(*case, measured)).collect())
}

fn figures(cases: Vec<CaseFigures>, rig: &Rig, plan: Plan, cores: &Cores, database: &Database) -> Figures {
    let postgres = if database.is_private { "its own Postgres with the server" } else { "Postgres elsewhere" };
    Figures {
        version: env!("CARGO_PKG_VERSION"),
        machine: Machine::here(cores.count(), format!("{cores}; {postgres}")),
        seconds: plan.lengths.counted.as_secs_f64(),
        rounds: plan.rounds,
        connections: CONNECTIONS,
        argon2: rig.costs.clone(),
        ratios: figures::ratios(&cases),
        per_core: PerCore::of(&cases),
        checks: Vec::new(),
        keycloak: Keycloak::of(&cases, rig.costs.threads.min(cores.count())),
        refusals: Vec::new(),
        memory: Vec::new(),
        routes: Vec::new(),
        cases,
    }
}
