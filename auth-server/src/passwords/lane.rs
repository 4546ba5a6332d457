//! The password lane: the only place where passwords are hashed.
//!
//! 1. A login takes a pass at the door before anything is looked up for it ([`Lane::enter`]). A few for each thread are
//!    inside at once; the others wait in a bounded room, where the address that asked least of late is next. In a full
//!    one the address with the most waiting makes room; whoever gives way or finds no room gets [`LaneError::Busy`] at
//!    once.
//! 2. Inside, its work waits in a queue of the same rules. A fixed number of threads, each with its own reused memory,
//!    takes the work, each time of the address that asked least of late. The async threads and tokio's blocking pool
//!    never hash, so that everything else stays quick while the lane is full.
//! 3. Who has waited longer than the settings allow gets [`LaneError::Busy`]; work whose caller hung up is not
//!    started.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use shared::traces::{self, Part};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::door::{Door, Pass};
use super::hash::{Check, Hasher};
use super::memory::Memory;
use super::queue::{Place, Queue, Refused};
use super::{Caller, HashError, Hashed, Plain, Settings, SettingsError, Unusable};

/// An answer is never held back for longer than this, however dear a stored hash is.
const LONGEST_FLOOR: Duration = Duration::from_secs(1);

/// Logins inside for each thread: while one hashes, others ask the database.
const PASSES: usize = 4;

/// The lane. Clones share its threads, which end when the last clone is dropped.
#[derive(Clone)]
pub struct Lane(Arc<Inner>);

struct Inner {
    door: Door,
    queue: Arc<Queue>,
    hasher: Hasher,
    max_wait: Duration,
    floor_micros: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What a check found.
#[derive(Debug)]
pub enum Verdict {
    /// The password is the one. `rehashed` is there when the stored hash is behind the settings.
    Matches {
        /// What to store in its place.
        rehashed: Option<Hashed>,
    },
    /// It is another one.
    Differs,
    /// The stored hash cannot be checked; somebody must repair the row.
    Unusable(Unusable),
}

/// Why the lane gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// Too many passwords are waiting; worth a retry.
    #[error("the password lane is full")]
    Busy {
        /// When to come back, in whole seconds.
        retry_after: Duration,
    },
    /// The process is ending.
    #[error("the password lane is closed")]
    Closed,
    /// The work panicked; the lane goes on.
    #[error("hashing a password panicked")]
    Panicked,
    /// No hash could be made.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Why a lane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are unsafe or cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The system gave no thread.
    #[error("the password lane cannot start a thread")]
    Thread(#[from] std::io::Error),
}

/// What the lane is doing and has done since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Callers that wait for a thread now, or at the door.
    pub waiting: usize,
    /// Threads that hash now.
    pub running: usize,
    /// The most that ever ran at the same time.
    pub peak: usize,
    /// Checks and hashes begun.
    pub begun: usize,
    /// Work that was never started because its caller had gone.
    pub abandoned: usize,
}

impl Lane {
    /// Starts the threads. Each allocates its memory at its first hash.
    ///
    /// # Errors
    /// [`StartError`] when the settings are refused or the system gives no thread.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let passes = settings.lanes.saturating_mul(PASSES);
        let inner = Inner {
            door: Door::new(passes, settings.queue),
            // Whoever is inside finds a place.
            queue: Arc::new(Queue::new(settings.queue.max(passes))),
            hasher: Hasher::new(settings)?,
            max_wait: settings.max_wait,
            floor_micros: AtomicU64::new(0),
            threads: Mutex::new(Vec::with_capacity(settings.lanes)),
        };
        for number in 0..settings.lanes {
            let (queue, hasher) = (Arc::clone(&inner.queue), inner.hasher.clone());
            let thread = Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || queue.serve(|memory| hasher.shrink(memory)))?;
            inner.threads().push(thread);
        }
        Ok(Self(Arc::new(inner)))
    }

    /// How long a caller waits at most.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.0.max_wait
    }

    /// Lets `caller` in when it is its turn. Asked before anything else, a flood costs nothing but the asking.
    ///
    /// # Errors
    /// [`LaneError::Busy`].
    pub async fn enter(&self, caller: &Caller) -> Result<Pass, LaneError> {
        let pass = self.0.door.enter(caller.address, caller.remaining(self.0.max_wait)).await;
        pass.ok_or_else(|| self.busy())
    }

    /// The answer to whoever has to come back.
    #[must_use]
    pub fn busy(&self) -> LaneError {
        LaneError::Busy { retry_after: Duration::from_secs(self.0.max_wait.as_secs().max(1)) }
    }

    /// Checks `plain` against a stored hash and, if it is right and the stored hash is behind, hashes it anew.
    ///
    /// # Errors
    /// [`LaneError`] when there is no answer.
    pub async fn verify(&self, caller: &Caller, stored: &str, plain: &Plain) -> Result<Verdict, LaneError> {
        let (hasher, plain, stored) = (self.0.hasher.clone(), plain.clone(), Arc::<str>::from(stored));
        let (weigher, weighed) = (hasher.clone(), Arc::clone(&stored));
        let work = move |memory: &mut Memory| hasher.timed_check(&stored, &plain, memory);
        // Of a kind that an import brought while the server runs. Nobody's answer waits for it.
        let after = move |memory: &mut Memory| weigher.weigh(&weighed, memory);
        let (check, dearer_run) = self.run_then(caller, work, after).await?;
        self.raise_floor(dearer_run);
        Ok(match check? {
            Check::Matches(rehashed) => Verdict::Matches { rehashed },
            Check::Differs => Verdict::Differs,
            Check::Unusable(reason) => Verdict::Unusable(reason),
        })
    }

    /// Learns what hashes like `stored` take here, so that no refusal tells that there are any. Weighing them takes some
    /// dozens of hashes, and may be left to the first login.
    ///
    /// # Errors
    /// [`LaneError`] when there is no answer.
    pub async fn learn(&self, stored: &str, plain: &Plain, weighs: bool) -> Result<(), LaneError> {
        let (hasher, stored, plain) = (self.0.hasher.clone(), stored.to_owned(), plain.clone());
        let work = move |memory: &mut Memory| {
            if weighs {
                hasher.weigh(&stored, memory);
            }
            hasher.timed_check(&stored, &plain, memory)
        };
        let (check, dearer_run) = self.run(&Caller::local(), work).await?;
        self.raise_floor(dearer_run);
        Ok(check.map(drop)?)
    }

    /// Hashes a new password, for nobody on the network.
    ///
    /// # Errors
    /// [`LaneError`] when there is no answer.
    pub async fn hash(&self, plain: &Plain) -> Result<Hashed, LaneError> {
        let (hasher, plain) = (self.0.hasher.clone(), plain.clone());
        Ok(self.run(&Caller::local(), move |memory| hasher.hash(&plain, memory)).await??)
    }

    /// The work of [`Lane::verify`] for a name that nobody has, so that the time does not tell.
    ///
    /// # Errors
    /// [`LaneError`] when there is no answer.
    pub async fn burn(&self, caller: &Caller, plain: &Plain) -> Result<(), LaneError> {
        let (hasher, plain) = (self.0.hasher.clone(), plain.clone());
        Ok(self.run(caller, move |memory| hasher.burn(&plain, memory)).await??)
    }

    /// No refusal should be given sooner than this after the request for it: the longest that a hash dearer than
    /// those made here has taken. Zero where there is no such hash; one second at most.
    #[must_use]
    pub fn floor(&self) -> Duration {
        Duration::from_micros(self.0.floor_micros.load(Ordering::Relaxed))
    }

    /// For metrics and tests.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let queue = &self.0.queue;
        Counts {
            waiting: self.0.door.waiting() + queue.waiting(),
            running: queue.running(),
            peak: queue.peak(),
            begun: queue.begun(),
            abandoned: queue.abandoned(),
        }
    }

    fn raise_floor(&self, run: Option<Duration>) {
        let micros = run.unwrap_or_default().min(LONGEST_FLOOR).as_micros();
        self.0.floor_micros.fetch_max(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Runs `work` on one of the threads.
    async fn run<T, F>(&self, caller: &Caller, work: F) -> Result<T, LaneError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Memory) -> T + Send + 'static,
    {
        self.run_then(caller, work, |_| ()).await
    }

    /// Runs `work` on one of the threads, and there `after` it, which the caller does not wait for.
    async fn run_then<T, F, A>(&self, caller: &Caller, work: F, after: A) -> Result<T, LaneError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Memory) -> T + Send + 'static,
        A: FnOnce(&mut Memory) + Send + 'static,
    {
        let _span = traces::child(Part::PasswordHash);
        let (reply, mut answer) = oneshot::channel();
        let place: Place = self
            .0
            .queue
            .push(
                caller.address,
                Box::new(move |memory| {
                    drop(reply.send(work(memory)));
                    after(memory);
                }),
            )
            .map_err(|refused| self.refusal(refused))?;
        let done = match timeout(caller.remaining(self.0.max_wait), &mut answer).await {
            Ok(done) => done,
            Err(_) if place.abandon() => return Err(self.refusal(Refused::Full)),
            // A thread has begun: its answer is a hash away.
            Err(_) => answer.await,
        };
        done.map_err(|_| match () {
            () if place.was_evicted() => self.busy(),
            () if self.0.queue.is_closed() => LaneError::Closed,
            () => LaneError::Panicked,
        })
    }

    fn refusal(&self, refused: Refused) -> LaneError {
        match refused {
            Refused::Closed => LaneError::Closed,
            Refused::Full => self.busy(),
        }
    }
}

impl Inner {
    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads().drain(..) {
            // A thread's panic was caught and answered; there is nothing left to report.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
