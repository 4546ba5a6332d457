//! The way from the plain program to the one that measures.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::progress::say;

/// Becomes `cargo run --release --features bench` with the same arguments, which have been checked by now.
///
/// # Errors
/// When cargo cannot be run.
pub fn run<Options>(_: &Options) -> Result<ExitCode> {
    say("    Building what measures (its first build takes several minutes, later ones seconds)");
    let mut cargo = Checkout::find()?.cargo_here("run");
    cargo.args(["--release", "--package", "xtask", "--features", "bench", "--"]).args(env::args_os().skip(1));
    let error = cargo.exec();
    Err(error).context("cannot run cargo")
}
