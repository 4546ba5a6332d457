//! Where public keys come from, and how they stay current.
//!
//! 1. [`Keys::load`] reads the source once, at start. A file that cannot be used is an error; a URL that does not
//!    answer is not: the service starts, says that it is not ready and why, and goes on trying.
//! 2. [`Keys::keep_fresh`] reads again ahead of the answer's `max-age`, and with growing pauses while that fails.
//! 3. [`Keys::seek`] reads again because a token names an unknown key: one read at a time, and one per cooldown
//!    whatever arrives.
//!
//! A read that fails in any way keeps the last good set, for as long as the process lives: an outage of the issuer
//! must not become one of every resource server. With [`KeysOptions::copy`] the set of a URL is on disk as well, and is
//! taken from there where the first fetch fails; every later one replaces it, so that a key which is published no more
//! leaves the disk too. A key that is revoked ([`Keys::refuse`]) leaves both at once, and comes back from nowhere.

mod disk;
mod fetch;
mod file;
mod flight;
mod options;
mod refused;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::keys::KeySet;
use crate::traces;
use disk::DiskCopy;
use file::KeyFile;
use flight::{Cause, Flight};

pub(super) use fetch::Fetcher;
pub use fetch::check_url;
pub use options::{KeySource, KeysOptions, SourceError};

/// A handle on the current keys; clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    set: Arc<ArcSwap<KeySet>>,
    origin: Origin,
    options: KeysOptions,
    flight: Mutex<Flight>,
    status: Mutex<Status>,
    copy: Option<Arc<DiskCopy>>,
    /// Keys that are revoked: they are in no set, wherever it comes from.
    refused: Mutex<HashSet<String>>,
    /// Told after every good read; keeps what it is told until somebody listens.
    was_read: Notify,
    /// Told whenever the set is another.
    was_changed: watch::Sender<()>,
}

enum Origin {
    Fixed,
    File(KeyFile),
    Url(Fetcher),
}

/// What the last read left behind.
#[derive(Default)]
struct Status {
    failures: u32,
    problem: Option<String>,
    read_at: Option<Instant>,
    /// How old the set was at `read_at`; not zero for the copy on disk.
    age_then: Duration,
    next_pause: Duration,
}

/// A set that was read, and how long it is fresh.
struct Fresh {
    /// `None`: the file has not changed.
    set: Option<KeySet>,
    age: Duration,
}

impl Keys {
    /// A handle without keys yet; call [`Keys::load`] next.
    ///
    /// # Errors
    ///
    /// [`SourceError::Url`] and [`SourceError::Client`].
    pub fn new(source: KeySource, options: KeysOptions) -> Result<Self, SourceError> {
        let (origin, copy) = match source {
            KeySource::Pem(path) => (Origin::File(KeyFile::pem(path)), None),
            KeySource::JwksFile(path) => (Origin::File(KeyFile::jwks(path)), None),
            KeySource::JwksUrl(url) => {
                let copy = options.copy.clone().map(|path| Arc::new(DiskCopy::new(path, url.clone())));
                (Origin::Url(Fetcher::new(url, &options)?), copy)
            }
        };
        Ok(Self::with_origin(origin, KeySet::default(), options, copy))
    }

    /// Keys that are at hand already. The owner of the set may replace them through [`Keys::set`].
    pub fn fixed(set: KeySet) -> Self {
        Self::with_origin(Origin::Fixed, set, KeysOptions::default(), None)
    }

    fn with_origin(origin: Origin, set: KeySet, options: KeysOptions, copy: Option<Arc<DiskCopy>>) -> Self {
        Self(Arc::new(Inner {
            set: Arc::new(ArcSwap::from_pointee(set)),
            origin,
            options,
            flight: Mutex::default(),
            status: Mutex::default(),
            copy,
            refused: Mutex::default(),
            was_read: Notify::new(),
            was_changed: watch::Sender::default(),
        }))
    }

    /// The current set, for a verifier to hold.
    pub fn set(&self) -> Arc<ArcSwap<KeySet>> {
        Arc::clone(&self.0.set)
    }

    /// Reads the source for the first time, and the copy on disk where a URL gives nothing.
    ///
    /// # Errors
    ///
    /// For a file that cannot be read or used. A URL never fails here: see [`Keys::is_ready`].
    pub async fn load(&self) -> Result<(), SourceError> {
        match &self.0.origin {
            Origin::Fixed => Ok(()),
            Origin::File(_) => {
                let read = self.read().await;
                self.settle(read)
            }
            Origin::Url(_) => {
                self.refresh(Cause::Age).await;
                if let Some(copy) = self.0.copy.as_ref().filter(|_| !self.is_ready()) {
                    self.restore(copy);
                }
                Ok(())
            }
        }
    }

    /// Keeps the set current, and its copy on disk, until the task that runs it is dropped. Fixed keys need none: it
    /// returns at once.
    pub async fn keep_fresh(self) {
        if matches!(self.0.origin, Origin::Fixed) {
            return;
        }
        let refreshing = async {
            loop {
                let pause = lock(&self.0.status).next_pause;
                tokio::time::sleep(pause).await;
                self.refresh(Cause::Age).await;
            }
        };
        tokio::join!(refreshing, self.keep_copy());
    }

    /// Looks for a key that a token names and the set has not. Waits for the read that this causes or that is under
    /// way, at most [`KeysOptions::wait`]. Says whether the key is known now.
    pub async fn seek(&self, kid: &str) -> bool {
        if !self.holds(kid)
            && !matches!(self.0.origin, Origin::Fixed)
            && let Some(landing) = self.take_off(Cause::UnknownKey)
        {
            // A read that takes longer goes on; this request does not.
            let _ = timeout(self.0.options.wait, landing.wait()).await;
        }
        self.holds(kid)
    }

    /// Tells whenever the set is another.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.0.was_changed.subscribe()
    }

    /// Whether the keys come from a file, which somebody else has to change when there is a new key.
    pub fn is_file(&self) -> bool {
        !matches!(self.0.origin, Origin::Url(_))
    }

    /// Whether any key is held, so that tokens can be checked.
    pub fn is_ready(&self) -> bool {
        !self.0.set.load().is_empty()
    }

    /// Why the last read failed, or that there was none yet; `None` while all is well. Fit for an operator's eyes,
    /// not for the wire.
    pub fn reason(&self) -> Option<String> {
        let problem = lock(&self.0.status).problem.clone();
        problem.or_else(|| (!self.is_ready()).then(|| "the keys have not been read yet".to_owned()))
    }

    /// How long ago the set was read from its source, by this process or by the one that left the copy on disk.
    pub fn age(&self) -> Option<Duration> {
        let status = lock(&self.0.status);
        status.read_at.map(|at| status.age_then.saturating_add(at.elapsed()))
    }

    fn holds(&self, kid: &str) -> bool {
        self.0.set.load().find(kid).is_some()
    }

    async fn refresh(&self, cause: Cause) {
        if let Some(landing) = self.take_off(cause) {
            landing.wait().await;
        }
    }

    /// Joins the read under way, or starts one in a task of its own, which no caller's hanging up can cut short.
    fn take_off(&self, cause: Cause) -> Option<flight::Landing> {
        let (landing, run) = lock(&self.0.flight).board(cause, self.0.options.cooldown, Instant::now())?;
        if let Some(run) = run {
            let keys = self.clone();
            tokio::spawn(traces::carry(async move {
                let read = keys.read().await;
                // Already in the status and in the log.
                let _ = keys.settle(read);
                run.land();
            }));
        }
        Some(landing)
    }

    async fn read(&self) -> Result<Fresh, SourceError> {
        let options = &self.0.options;
        match &self.0.origin {
            Origin::Fixed => Ok(Fresh { set: None, age: options.default_age }),
            Origin::File(file) => Ok(Fresh { set: file.read(options.size_limit)?, age: options.default_age }),
            Origin::Url(fetcher) => fetcher.fetch(options).await,
        }
    }

    fn restore(&self, copy: &DiskCopy) {
        let place = copy.path().display();
        match copy.read(&self.0.options) {
            Ok(Some((set, age))) => {
                tracing::warn!(
                    keys.kids = ?set.kids(), keys.age_seconds = age.as_secs(), keys.copy = %place,
                    "public keys taken from the copy on disk until they can be fetched"
                );
                let refused = lock(&self.0.refused);
                self.replace(set.without(&refused));
                drop(refused);
                let mut status = lock(&self.0.status);
                (status.read_at, status.age_then) = (Some(Instant::now()), age);
            }
            Ok(None) => tracing::warn!(keys.copy = %place, "there is no copy of the public keys on disk yet"),
            Err(error) => {
                tracing::warn!(keys.copy = %place, %error, "the copy of the public keys on disk is not used")
            }
        }
    }

    /// Writes what was read: one write at a time, of the newest set. A disk that hangs holds up nothing else.
    async fn keep_copy(&self) {
        let Some(copy) = &self.0.copy else { return };
        loop {
            self.0.was_read.notified().await;
            let (copy, set, age) = (Arc::clone(copy), self.0.set.load_full(), self.age().unwrap_or_default());
            #[expect(clippy::disallowed_methods, reason = "it waits for the disk; no password is hashed here")]
            let written = tokio::task::spawn_blocking(move || copy.write(&set, age));
            // Fails only while the process ends.
            let _ = written.await;
        }
    }

    fn settle(&self, read: Result<Fresh, SourceError>) -> Result<(), SourceError> {
        let options = &self.0.options;
        let mut status = lock(&self.0.status);
        match read {
            Ok(fresh) => {
                if let Some(set) = fresh.set {
                    let refused = lock(&self.0.refused);
                    let set = set.without(&refused);
                    if **self.0.set.load() != set {
                        tracing::info!(keys.kids = ?set.kids(), "public keys read");
                        self.replace(set);
                    }
                }
                // Four fifths: the next set is here before this one is stale.
                let next_pause = fresh.age * 4 / 5;
                *status = Status { read_at: Some(Instant::now()), next_pause, ..Status::default() };
                self.0.was_read.notify_one();
                Ok(())
            }
            Err(error) => {
                let held = self.0.set.load().len();
                tracing::warn!(keys.held = held, error = %error, "public keys not read; the last good set stays");
                let pause = options.first_retry.saturating_mul(1 << status.failures.min(16));
                status.failures = status.failures.saturating_add(1);
                status.next_pause = pause.min(options.longest_retry);
                status.problem = Some(error.to_string());
                Err(error)
            }
        }
    }
}

/// Nothing in here panics while it holds a lock, so a poisoned one is still whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
