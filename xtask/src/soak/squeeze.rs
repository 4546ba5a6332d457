//! `squeeze`: half an hour of mixed load under a small quota of memory (fault F26).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What a leak looks like.
pub const BESIDE: &str = "a leak of one KiB a request: 29 MiB in ten minutes";

const TEST: CiTest = CiTest {
    package: "xtask",
    target: "squeeze",
    name: "f26_memory_and_files_stay_flat_under_a_small_quota",
    rounds: 180,
};

/// One round.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &[TEST])
}
