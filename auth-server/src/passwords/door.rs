//! Who may come in: logins that look something up and then hash, no more at once than keep the threads busy.
//!
//! 1. A login takes a pass before it asks the database anything, and holds it until it is done. Without a door, a crowd
//!    that the lane would turn away in time has filled the connections of the database before.
//! 2. While no pass is free it waits; who is next, and who gives way in a full room, `line` decides.
//! 3. A pass goes from hand to hand. Whoever hangs up gives back what he holds, and is passed over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::line::{Key, Line, Pushed};

/// The door.
#[derive(Clone)]
pub(super) struct Door(Arc<Mutex<Room>>);

struct Room {
    /// Passes that nobody holds; then nobody waits.
    free: usize,
    line: Line<oneshot::Sender<Pass>>,
}

/// The right to be inside, until it is dropped.
#[must_use]
pub struct Pass(Door);

impl Door {
    /// `passes` may be inside, `capacity` may wait.
    pub(super) fn new(passes: usize, capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(Room { free: passes, line: Line::new(capacity) })))
    }

    /// `None` when there is no room to wait in, when another needs it more, or after `patience`.
    pub(super) async fn enter(&self, key: Key, patience: Duration) -> Option<Pass> {
        let (pushed, turn) = {
            let mut room = self.lock();
            if room.free > 0 {
                room.free -= 1;
                room.line.note(key);
                return Some(Pass(self.clone()));
            }
            if room.line.is_full() {
                // Those who hung up must not keep out those who still wait.
                room.line.retain(|waiting| !waiting.is_closed());
            }
            let (sender, turn) = oneshot::channel();
            (room.line.push(key, sender), turn)
        };
        match pushed {
            Pushed::Refused => return None,
            // Dropping it tells whoever waits for it.
            Pushed::InPlaceOf(evicted) => drop(evicted),
            Pushed::Waits => {}
        }
        timeout(patience, turn).await.ok()?.ok()
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().line.iter().filter(|waiting| !waiting.is_closed()).count()
    }

    /// To the next one; where somebody hung up just now, the pass comes back by being dropped.
    fn hand_on(&self) {
        let next = {
            let mut room = self.lock();
            let next = room.line.pop(|waiting| !waiting.is_closed());
            room.free += usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            drop(next.send(Pass(self.clone())));
        }
    }

    /// No code that can panic runs under this lock, so that a poisoned one is as good as a whole one.
    fn lock(&self) -> MutexGuard<'_, Room> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.hand_on();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use tokio::task::JoinHandle;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn at(network: u8, host: u8) -> Key {
        Some(IpAddr::from([10, 0, network, host]))
    }

    /// Somebody who waits, once he does.
    async fn wait(door: &Door, key: Key) -> JoinHandle<Option<Pass>> {
        let before = door.waiting();
        let waiting = tokio::spawn({
            let door = door.clone();
            async move { door.enter(key, LONG).await }
        });
        while door.waiting() == before {
            tokio::task::yield_now().await;
        }
        waiting
    }

    #[tokio::test]
    async fn f12_who_comes_new_does_not_wait_for_two_hundred_who_ask_all_the_time() {
        let door = Door::new(1, 256);
        let inside = door.enter(at(1, 1), LONG).await.unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let flood = (1..=200).map(|host| {
            let (door, turns) = (door.clone(), Arc::clone(&turns));
            tokio::spawn(async move {
                while let Some(pass) = door.enter(at(1, host), LONG).await {
                    turns.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    drop(pass);
                }
            })
        });
        let flood: Vec<_> = flood.collect();
        while door.waiting() < 200 {
            tokio::task::yield_now().await;
        }
        let honest = wait(&door, at(2, 1)).await;
        drop(inside);
        assert!(honest.await.unwrap().is_some());
        // Those who came before anything was known of their network.
        assert!(turns.load(Ordering::Relaxed) <= 17, "{turns:?}");
        flood.iter().for_each(JoinHandle::abort);
    }

    #[tokio::test]
    async fn who_hangs_up_keeps_no_pass() {
        let door = Door::new(1, 2);
        let inside = door.enter(None, LONG).await.unwrap();
        let first = wait(&door, None).await;
        let second = wait(&door, None).await;
        first.abort();
        assert!(first.await.is_err());
        drop(inside);
        let pass = second.await.unwrap().unwrap();
        assert!(door.enter(None, Duration::ZERO).await.is_none(), "there is one pass");
        drop(pass);
        assert!(door.enter(None, Duration::ZERO).await.is_some());
        assert_eq!(door.waiting(), 0);
    }

    #[tokio::test]
    async fn a_pass_that_was_sent_to_nobody_is_not_lost() {
        let door = Door::new(1, 2);
        let inside = door.enter(None, LONG).await.unwrap();
        let mut waiting = Box::pin(door.enter(None, LONG));
        assert!(waiting.as_mut().now_or_never().is_none());
        // It is handed on, and never looked at.
        drop(inside);
        drop(waiting);
        assert!(door.enter(None, Duration::ZERO).await.is_some());
    }

    #[tokio::test]
    async fn in_a_full_room_a_crowd_gives_way_at_once() {
        let door = Door::new(1, 2);
        let _inside = door.enter(at(1, 1), LONG).await.unwrap();
        let older = wait(&door, at(1, 1)).await;
        let newer = wait(&door, at(1, 1)).await;
        assert!(door.enter(at(1, 1), LONG).await.is_none(), "its own crowd is the largest");
        let honest = tokio::spawn({
            let door = door.clone();
            async move { door.enter(at(2, 1), LONG).await }
        });
        assert!(newer.await.unwrap().is_none());
        older.abort();
        honest.abort();
    }
}
