//! `disk-full`: the database's disk is full, five times, and empty again (fault F18).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What is usual.
pub const BESIDE: &str = "an answer before the commit: tokens that nobody has stored";

const TEST: CiTest = CiTest {
    package: "xtask",
    target: "disk_full",
    name: "f18_a_full_disk_is_503_for_writes_and_heals_by_itself",
    rounds: 5,
};

/// One round.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &[TEST])
}
