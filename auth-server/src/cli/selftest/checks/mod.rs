//! The rules, by what they are about; one `add` is one line of the report.

mod api;
mod authorize;
mod codes;
mod lookups;
mod metadata;
mod refresh;
mod tokens;

use super::report::{Outcome, Report};
use super::scene::Scene;

/// Tries everything. What cannot even be begun is a rule that does not hold, not the end.
pub(super) async fn run(scene: &Scene, report: &mut Report) {
    metadata::run(scene, report).await;
    tokens::run(scene, report).await;
    authorize::run(scene, report).await;
    codes::run(scene, report).await;
    refresh::run(scene, report).await;
    lookups::run(scene, report).await;
    api::run(scene, report).await;
}

/// All of them hold, or the first that does not.
fn all(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    outcomes.into_iter().collect()
}

/// A condition with what was seen instead.
fn that(holds: bool, seen: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(seen()) }
}
