//! Follows a feed for as long as the process lives.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::database::{self, Reader};
use super::{FeedError, Freshness, POLL, Revocations, SignedFeed};
use crate::db::Pool;
use crate::token::source::Keys;

/// The least time between two readings, so that a burst of hints is read as one.
const BREATH: Duration = Duration::from_millis(20);

/// The longest pause between readings that fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Where the feed is.
pub enum Feed {
    /// In `myapi.revocations`, by a pool that reaches the primary without a transaction pooler. It keeps two of the pool's
    /// connections.
    Database(Pool),
    /// The same by a pool that goes through a transaction pooler, where nobody can listen: without hints. It keeps one of
    /// the pool's connections.
    Polled(Pool),
    /// At a URL.
    Url(SignedFeed),
}

enum Source {
    Database(Reader),
    Url(SignedFeed),
}

impl Revocations {
    /// Follows the feed for ever, and takes the keys that it revokes out of `keys`. `first` hears of the first reading,
    /// whether it was good or not; then it is known whether old tokens can be told from revoked ones.
    pub async fn follow(self, feed: Feed, keys: Keys, first: impl FnOnce()) {
        let hints = Notify::new();
        let (mut source, pool) = match feed {
            Feed::Database(pool) => (Source::Database(Reader::new(pool.clone())), Some(pool)),
            Feed::Polled(pool) => (Source::Database(Reader::new(pool)), None),
            Feed::Url(feed) => (Source::Url(feed), None),
        };
        let listening = async {
            if let Some(pool) = pool {
                database::listen(&pool, &hints).await;
            }
        };
        let reading = async {
            let mut log = Log::default();
            let mut first = Some(first);
            loop {
                let read = source.read(&self).await;
                let pause = log.note(read, &self);
                keys.refuse(self.keys());
                if let Some(first) = first.take() {
                    first();
                }
                sleep(BREATH).await;
                // Whether it was a hint or the time makes no difference.
                let _ = timeout(pause.saturating_sub(BREATH), hints.notified()).await;
            }
        };
        tokio::join!(listening, reading);
    }
}

impl Source {
    async fn read(&mut self, revocations: &Revocations) -> Result<(), FeedError> {
        match self {
            Self::Database(reader) => reader.read(revocations).await,
            Self::Url(feed) => feed.read(revocations).await,
        }
    }
}

/// Says once that the feed cannot be read, once that it has become stale, and once that all is well again.
#[derive(Default)]
struct Log {
    failures: u32,
    has_told_stale: bool,
}

impl Log {
    /// The pause until the next reading.
    fn note(&mut self, read: Result<(), FeedError>, revocations: &Revocations) -> Duration {
        match read {
            Ok(()) => {
                if self.failures > 0 {
                    let (failures, entries) = (self.failures, revocations.len());
                    tracing::info!(feed.failures = failures, feed.entries = entries, "revocations are followed again");
                }
                *self = Self::default();
                POLL
            }
            Err(error) => {
                if self.failures == 0 {
                    tracing::warn!(%error, "the feed of revocations cannot be read; it is tried again");
                }
                if !self.has_told_stale && matches!(revocations.freshness(), Freshness::Stale(Some(_))) {
                    tracing::error!(%error, "revocations are stale: what is revoked now is not refused here");
                    self.has_told_stale = true;
                }
                let pause = POLL.saturating_mul(1 << self.failures.min(8));
                self.failures = self.failures.saturating_add(1);
                pause.min(LONGEST_PAUSE)
            }
        }
    }
}
