//! How tests that try something often are told how often, and tell what they measured.
//!
//! `cargo xtask soak` runs the very tests that CI runs: with more rounds, and with a file that keeps their figures.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use serde_json::json;

/// How often a test does what it does: as often as `MYAPI_TEST_ROUNDS` says, else `few` times.
///
/// # Panics
/// When it says no number.
#[must_use]
pub fn rounds(few: u32) -> u32 {
    std::env::var("MYAPI_TEST_ROUNDS").map_or(few, |rounds| rounds.parse().expect("MYAPI_TEST_ROUNDS is no number"))
}

/// Whether this is a soak, which judges figures by their bounds, and not a test that has to pass on a busy machine.
#[must_use]
pub fn is_soak() -> bool {
    std::env::var_os("MYAPI_TEST_FIGURES").is_some()
}

/// Tells a figure: to stderr, and as a line of the file that `MYAPI_TEST_FIGURES` names, if it does.
pub fn tell(part: &str, name: &str, value: f64) {
    write(part, name, value, None);
}

/// The same of a figure that has to be at most `bound`; a soak looks at that.
pub fn tell_at_most(part: &str, name: &str, value: f64, bound: f64) {
    write(part, name, value, Some(bound));
}

/// Half, 99 of 100 and all of these times took no more than this, in milliseconds; of the last, `bound` is what it may be.
///
/// # Panics
/// When there are none.
pub fn tell_times(part: &str, what: &str, mut times: Vec<Duration>, bound: Duration) {
    times.sort();
    let millis = |time: &Duration| time.as_secs_f64() * 1e3;
    let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).map(millis).expect("no times");
    tell(part, &format!("{what} p50, ms"), at(50));
    tell(part, &format!("{what} p99, ms"), at(99));
    tell_at_most(part, &format!("{what} max, ms"), at(100), millis(&bound));
}

fn write(part: &str, name: &str, value: f64, bound: Option<f64>) {
    let limit = bound.map(|bound| format!(" (at most {bound})")).unwrap_or_default();
    eprintln!("{part}: {name}: {value:.3}{limit}");
    let Some(file) = std::env::var_os("MYAPI_TEST_FIGURES") else { return };
    let line = json!({ "part": part, "name": name, "value": value, "bound": bound.map(|at_most| json!({ "at_most": at_most })) });
    let mut file = OpenOptions::new().append(true).create(true).open(file).expect("the figures cannot be kept");
    writeln!(file, "{line}").expect("the figures cannot be kept");
}
