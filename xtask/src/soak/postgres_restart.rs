//! `postgres-restart`: Postgres stops, fast and at once, and comes back, under mixed load (fault F01).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What a client does with `invalid_grant`.
pub const BESIDE: &str = "a database fault that is answered invalid_grant: the client throws its login away";

const TEST: CiTest = CiTest {
    package: "xtask",
    target: "restart",
    name: "f01_restarts_of_postgres_are_503_and_lose_nobody_a_login",
    rounds: 6,
};

/// One round.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &[TEST])
}
