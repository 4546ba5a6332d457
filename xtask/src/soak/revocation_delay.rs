//! `revocation-delay`: how long after the answer two resource servers go on taking what was revoked, one by the feed in the
//! database and one by the signed feed, undisturbed and while their connections are cut.

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What self-contained tokens do by themselves.
pub const BESIDE: &str = "tokens that nobody can revoke: good until they end, ten minutes by default";

const fn test(name: &'static str, rounds: u32) -> CiTest {
    CiTest { package: "xtask", target: "revocation", name, rounds }
}

const TESTS: [CiTest; 2] = [
    test("r09_v04_v05_a_revocation_reaches_both_kinds_of_feed_within_a_second", 1000),
    test("v05_a_revocation_arrives_while_connections_of_the_feeds_are_cut", 200),
];

/// One round of both.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &TESTS)
}
