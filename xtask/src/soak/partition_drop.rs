//! `partition-drop`: a million expired refresh tokens go with their partition while others are refreshed.

use anyhow::Result;

use super::ci_tests::{self, CiTest};
use super::figures::Figure;
use super::table::Place;
use crate::interrupt::Interrupt;

/// What a table without partitions needs.
pub const BESIDE: &str = "a delete of a million rows: seconds to minutes, and a vacuum";

const TEST: CiTest = CiTest {
    package: "auth-server",
    target: "auth_server_api",
    name: "process::partition_drop::a_partition_of_expired_tokens_goes_at_once_while_others_are_refreshed",
    // Of a thousand rows each.
    rounds: 1000,
};

/// One round.
///
/// # Errors
/// As [`ci_tests::run`].
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    ci_tests::run(place, interrupt, &[TEST])
}
