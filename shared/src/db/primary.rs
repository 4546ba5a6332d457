//! Where writes go, when reads may go to a standby, and how connections to a server that has become one are let go of.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Pool, timeout};

/// How often it is asked whether the first database is a standby, where there is a second one.
const LOOK: Duration = Duration::from_secs(2);
/// Connections are let go of once in so long, however many writes a standby refuses.
const CALM: Duration = Duration::from_secs(1);

/// When a server last refused a write because it is read-only (SQLSTATE 25006).
static READ_ONLY: Mutex<Option<Instant>> = Mutex::new(None);
/// Notified then.
static REFUSED: Notify = Notify::const_new();

/// Takes note that a server is read-only.
pub(super) fn note_read_only() {
    let mut last = READ_ONLY.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() > CALM) {
        *last = Some(Instant::now());
        tracing::warn!(
            "the database is read-only: its connections are made anew, in case another one is the primary by now"
        );
        REFUSED.notify_one();
    }
}

/// Whether a connection of this age is older than the last refusal of a write: after a failover it may lead to a server
/// that was the primary once, so the pool lets go of it.
pub(super) fn is_outdated(age: Duration) -> bool {
    let refused = *READ_ONLY.lock().unwrap_or_else(PoisonError::into_inner);
    refused.is_some_and(|refused| age >= refused.elapsed())
}

/// The database that takes writes: the one that also answers reads, or, while that is a standby, the direct one.
#[derive(Clone, Debug)]
pub struct Primary {
    pool: Pool,
    direct: Option<Pool>,
    is_standby: Arc<AtomicBool>,
}

impl Primary {
    /// Writes go to `pool`, and to `direct`, if there is one, while `pool` leads to a standby.
    #[must_use]
    pub fn new(pool: Pool, direct: Option<Pool>) -> Self {
        Self { pool, direct, is_standby: Arc::default() }
    }

    /// Where to write now.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        match &self.direct {
            Some(direct) if self.is_standby.load(Ordering::Relaxed) => direct,
            _ => &self.pool,
        }
    }

    /// Looks at once, for at most two seconds; without an answer it is as it was.
    pub async fn look(&self) {
        if self.direct.is_none() {
            return;
        }
        let asked = timeout(LOOK, sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&self.pool)).await;
        if let Ok(Ok(is_standby)) = asked
            && self.is_standby.swap(is_standby, Ordering::Relaxed) != is_standby
        {
            tracing::info!(
                database.is_standby = is_standby,
                "writes go to the {} database",
                if is_standby { "direct" } else { "one" }
            );
        }
    }

    /// Looks for ever, so that a standby that is promoted takes the writes itself.
    pub async fn follow(self) {
        if self.direct.is_none() {
            return;
        }
        loop {
            // A refused write is a reason to look sooner.
            let _ = tokio::time::timeout(LOOK, REFUSED.notified()).await;
            self.look().await;
        }
    }
}
