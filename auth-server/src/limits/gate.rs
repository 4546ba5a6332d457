//! How many attempts of one origin are under way in this process: no more than its counter has room for. The others
//! wait for those before them to succeed or fail, so that many right logins at once are not taken for guesses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::keys::Place;

/// Who is under way. Holds an entry for each origin with attempts, and nothing when there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<Mutex<HashMap<Place, Arc<Semaphore>>>>);

/// The right to be under way, until it is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Gate,
    place: Place,
    permit: Option<OwnedSemaphorePermit>,
}

impl Gate {
    /// Waits until fewer than `most` are under way at `place`; `None` when that takes longer than `patience`.
    pub(super) async fn enter(&self, place: Place, most: u32, patience: Duration) -> Option<Pass> {
        let most = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        let semaphore = Arc::clone(self.lock().entry(place).or_insert_with(|| Arc::new(Semaphore::new(most))));
        // From here on, so that giving up tidies up as well.
        let mut pass = Pass { gate: self.clone(), place, permit: None };
        pass.permit = Some(timeout(patience, semaphore.acquire_owned()).await.ok()?.ok()?);
        Some(pass)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut places = self.gate.lock();
        drop(self.permit.take());
        // The map's own is the only one left; others are handed out under this lock alone.
        if places.get(&self.place).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            places.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Kind;
    use super::*;

    const AT: Place = Place { kind: Kind::Address, slot: 7 };
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn who_comes_too_many_waits_and_nothing_is_left_behind() {
        let gate = Gate::default();
        let first = gate.enter(AT, 1, LONG).await.unwrap();
        assert!(gate.enter(AT, 1, Duration::from_millis(1)).await.is_none());
        let elsewhere = gate.enter(Place { slot: 8, ..AT }, 1, LONG).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(AT, 1, LONG).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
        drop(elsewhere);
        assert!(gate.lock().is_empty());
    }

    #[tokio::test]
    async fn who_hangs_up_while_waiting_leaves_nothing_behind() {
        let gate = Gate::default();
        let first = gate.enter(AT, 1, LONG).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(AT, 1, LONG).await.is_some() }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        let _ = waiting.await;
        drop(first);
        assert!(gate.lock().is_empty());
    }
}
