//! `key-rotation`: five rotations under load with two issuers and two resource servers, one issuer killed in between, and
//! rotations that are killed themselves (fault F09, M08).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What happens without a gate.
pub const BESIDE: &str = "a new key that signs at once: every token refused until each resource server has fetched it";

const fn test(name: &'static str, rounds: u32) -> CiTest {
    CiTest { package: "xtask", target: "rotation", name, rounds }
}

const TESTS: [CiTest; 2] = [
    test("f09_m08_rotations_under_load_refuse_no_good_token", 5),
    test("f09_a_kill_in_the_middle_of_a_rotation_leaves_one_key_that_signs", 60),
];

/// One round of both.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &TESTS)
}
