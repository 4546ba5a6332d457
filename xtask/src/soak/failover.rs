//! `failover`: the primary is killed, its standby promoted, and the address moves there, under load (fault F20).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What clients do when a service keeps its old connections.
pub const BESIDE: &str = "services that have to be restarted after a failover, and answer 500 until then";

const TEST: CiTest = CiTest {
    package: "xtask",
    target: "failover",
    name: "f20_after_a_failover_both_write_again_and_nothing_acknowledged_is_lost",
    rounds: 5,
};

/// One round.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &[TEST])
}
