//! `refresh-races`: many refreshes of one token at once on two replicas, and beside a revocation and a disabled user (R03,
//! R09, V09, faults F06 and F08).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What a check and an update in two statements do.
pub const BESIDE: &str = "a check before an update without a lock: two live leaves in most races";

const fn test(name: &'static str, rounds: u32) -> CiTest {
    CiTest { package: "auth-server", target: "auth_server_api", name, rounds }
}

const TESTS: [CiTest; 3] = [
    test("refresh::r03_f06_sixteen_at_once_get_the_same_successor_on_two_replicas", 100),
    test("refresh::r03_without_a_window_one_wins_and_the_family_is_revoked", 100),
    test("revoke::v09_f08_revoke_refresh_and_disable_at_once_leave_no_live_leaf", 200),
];

/// One round of all.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &TESTS)
}
