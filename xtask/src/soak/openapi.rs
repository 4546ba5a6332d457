//! `openapi`: schemathesis asks both services what their documents say, and what they do not (S21).

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What a client made from a document meets elsewhere.
pub const BESIDE: &str =
    "documents beside the code: undocumented statuses, bodies of another shape, 500 for odd requests";

const TEST: CiTest = CiTest {
    package: "xtask",
    target: "openapi",
    name: "s21_both_services_answer_as_their_documents_say",
    rounds: 200,
};

/// One round.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &[TEST])
}
