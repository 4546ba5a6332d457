//! One read at a time, and a cooldown between reads that strangers can cause.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Why the source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The set is growing old, or there is none yet.
    Age,
    /// A token names a key that is not in the set.
    UnknownKey,
}

/// The read under way, if any, and when a stranger last caused one.
#[derive(Default)]
pub(super) struct Flight {
    landing: Option<watch::Receiver<()>>,
    sought_at: Option<Instant>,
}

/// Waits for a read to end.
pub(super) struct Landing(watch::Receiver<()>);

/// Held by the task that reads; dropping it wakes everyone who waits, even if that task fails.
pub(super) struct Run(watch::Sender<()>);

impl Flight {
    /// A seat in the read under way; or in a new one, whose [`Run`] the caller must carry out; or nothing while it is
    /// too early.
    pub(super) fn board(&mut self, cause: Cause, cooldown: Duration, now: Instant) -> Option<(Landing, Option<Run>)> {
        if let Some(landing) = &self.landing
            && landing.has_changed().is_ok()
        {
            return Some((Landing(landing.clone()), None));
        }
        if cause == Cause::UnknownKey {
            if self.sought_at.is_some_and(|at| now.saturating_duration_since(at) < cooldown) {
                return None;
            }
            self.sought_at = Some(now);
        }
        let (run, landing) = watch::channel(());
        self.landing = Some(landing.clone());
        Some((Landing(landing), Some(Run(run))))
    }
}

impl Landing {
    pub(super) async fn wait(mut self) {
        // Nothing is ever sent: the end of the channel is the end of the read.
        while self.0.changed().await.is_ok() {}
    }
}

impl Run {
    /// Ends the read.
    pub(super) fn land(self) {
        drop(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Cause, Flight};

    const COOLDOWN: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn one_read_at_a_time_and_one_per_cooldown() {
        let (mut flight, now) = (Flight::default(), Instant::now());
        let (landing, run) = flight.board(Cause::UnknownKey, COOLDOWN, now).unwrap();
        assert!(flight.board(Cause::UnknownKey, COOLDOWN, now).unwrap().1.is_none(), "the second joins");
        run.unwrap().land();
        landing.wait().await;
        assert!(flight.board(Cause::UnknownKey, COOLDOWN, now).is_none(), "too early");
        let scheduled = flight.board(Cause::Age, COOLDOWN, now).unwrap();
        assert!(scheduled.1.is_some(), "a scheduled read does not wait for it");
        drop(scheduled);
        assert!(flight.board(Cause::UnknownKey, COOLDOWN, now + COOLDOWN).unwrap().1.is_some());
    }

    #[tokio::test]
    async fn a_read_that_dies_wakes_everyone() {
        let (mut flight, now) = (Flight::default(), Instant::now());
        let (landing, run) = flight.board(Cause::Age, COOLDOWN, now).unwrap();
        drop(run);
        landing.wait().await;
        assert!(flight.board(Cause::Age, COOLDOWN, now).unwrap().1.is_some());
    }
}
