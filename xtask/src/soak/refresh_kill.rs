//! `refresh-kill`: auth-server is killed in the middle of refreshes (fault F05), and its connection to the database reset
//! at their COMMIT (F19).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// Clients that were logged out by a crash would be many.
pub const BESIDE: &str = "a rotation without a retry window: each lost answer is a lost login";

const TESTS: [CiTest; 2] = [
    CiTest {
        package: "auth-server",
        target: "auth_server_api",
        name: "process::crash::f05_r13_a_kill_leaves_a_family_before_or_after_its_rotation",
        rounds: 500,
    },
    CiTest {
        package: "auth-server",
        target: "auth_server_api",
        name: "process::commit_reset::f19_a_reset_at_commit_is_503_and_the_retry_gives_the_one_successor",
        rounds: 300,
    },
];

/// One round of both.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &TESTS)
}
