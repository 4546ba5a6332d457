//! Developer commands: `cargo xtask up` runs the pair, `cargo xtask test` runs the suite,
//! `cargo xtask checklist` tells what it holds, `cargo xtask bench` measures, `cargo xtask soak` tries for long. Never shipped.
//!
//! It depends on no service crate and speaks to the two binaries through their command lines only, so that it builds
//! in seconds and shows what an operator would type. What `bench` and `soak` need beyond that is a feature.

mod bench;
mod checklist;
mod checkout;
mod cli;
mod environment;
mod folder;
mod interrupt;
mod lock;
mod postgres;
mod process;
mod progress;
mod query_cache;
mod random;
mod soak;
mod test;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};
use interrupt::{Interrupt, Interrupted};

/// What a shell reports for a program that Ctrl-C ended.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) => {
            progress::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(options) => up::run(&options, &Interrupt::listen()?),
        Command::Test(options) => test::run(&options, &Interrupt::listen()?),
        Command::Bench(options) => bench::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Checklist(options) => checklist::run(&options),
        Command::QueryCache(options) => query_cache::run(&options, &Interrupt::listen()?),
        Command::Guard(options) => process::guard::run(&options),
        Command::Exec(options) => process::tie::run(&options),
        Command::Postgres => postgres::ordered::run(&Interrupt::listen()?),
        #[cfg(feature = "bench")]
        Command::BenchServer(options) => bench::server::run(&options),
    }
}
