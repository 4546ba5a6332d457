//! Connections that go from one request to the next without a stop at the pool.
//!
//! sqlx's pool tests each connection that is given back, with a round trip and a task of its own: beside one short
//! statement that is nearly as much work again, for both sides. Where requests come one after the other that is needless:
//! whoever is done hands the connection over.
//!
//! 1. Only a connection whose work succeeded is handed on. Dropped on the way (an error, a client that hung up), it goes
//!    to the pool, which rolls back and tests it.
//! 2. Whoever waits gets it; nobody waits while the pool may open more. Where nobody does, it is kept for whoever comes
//!    next, for 20 ms at most.
//! 3. For 100 ms on end. Then the pool has it, for its limit on a connection's age, and for whoever asks the pool
//!    itself.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::oneshot;

use super::{Conn, DbError, Pool};
use crate::traces::{self, Child, Part};

/// How long a connection goes from hand to hand before the pool has it again.
const LONGEST: Duration = Duration::from_millis(100);
/// How often those that nobody took are given to the pool: as long as whoever asks the pool itself waits for them at most.
const SWEEP: Duration = Duration::from_millis(20);

/// A pool whose users hand connections to one another. Clones share those who wait, and what is kept.
#[derive(Clone)]
pub struct Relay {
    pool: Pool,
    between: Arc<Mutex<Between>>,
}

/// Connections between two hands, and hands without one. Never both.
#[derive(Default)]
struct Between {
    waiting: VecDeque<oneshot::Sender<Lent>>,
    kept: Vec<Lent>,
    /// Whether somebody will look after what is kept.
    is_swept: bool,
}

/// A connection, for as long as it is held. Dropped, it goes to the pool; an open transaction is rolled back then.
#[must_use]
pub struct Lent {
    conn: PoolConnection<Postgres>,
    since: Instant,
    relay: Relay,
    /// Of the request that holds it now.
    span: Option<Child>,
}

/// A transaction on a connection of its own. Dropped, it is rolled back.
#[must_use]
pub struct Work(Lent);

impl Relay {
    /// Hands on connections of this pool, which does not test each before it is used (as [`super::pool`] makes it, whose
    /// connections are asked after a rest or in doubt alone): a test that is given up, because a connection was handed on
    /// meanwhile, costs the pool its own.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, between: Arc::default() }
    }

    /// The pool itself.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A connection: one that somebody has no more need of, or the pool's, whichever comes first.
    ///
    /// # Errors
    /// The pool's own: [`DbError::Unavailable`] when there is none in time.
    pub async fn acquire(&self) -> Result<Lent, DbError> {
        let span = traces::child(Part::Database);
        let mut lent = self.take().await?;
        lent.span = Some(span);
        Ok(lent)
    }

    async fn take(&self) -> Result<Lent, DbError> {
        if self.pool.size() < self.pool.options().get_max_connections() {
            let kept = self.lock().kept.pop();
            return match kept {
                Some(lent) => Ok(lent),
                // It may open another one. Not to be dropped on the way for one that is handed on: the next would begin
                // again.
                None => Ok(self.lend(self.pool.acquire().await?)),
            };
        }
        // Nor to be dropped while one that had its rest is asked whether it is there still.
        if self.pool.num_idle() > 0 {
            return Ok(self.lend(self.pool.acquire().await?));
        }
        let handed = match self.take_or_wait() {
            Ok(lent) => return Ok(lent),
            Err(handed) => handed,
        };
        tokio::select! {
            biased;
            Ok(lent) = handed => Ok(lent),
            acquired = self.pool.acquire() => Ok(self.lend(acquired?)),
        }
    }

    /// A connection with a transaction begun on it.
    ///
    /// # Errors
    /// [`DbError`] when there is none, or it cannot begin.
    pub async fn begin(&self) -> Result<Work, DbError> {
        let mut lent = self.acquire().await?;
        PgTransactionManager::begin(&mut lent.conn, None).await?;
        Ok(Work(lent))
    }

    fn lend(&self, conn: PoolConnection<Postgres>) -> Lent {
        Lent { conn, since: Instant::now(), relay: self.clone(), span: None }
    }

    /// What is kept by now, or a place among those who wait.
    fn take_or_wait(&self) -> Result<Lent, oneshot::Receiver<Lent>> {
        let mut between = self.lock();
        if let Some(lent) = between.kept.pop() {
            return Ok(lent);
        }
        let (sender, receiver) = oneshot::channel();
        let waiting = &mut between.waiting;
        // Who got one from the pool is gone: nothing is left of them, however seldom connections are handed on.
        while waiting.front().is_some_and(oneshot::Sender::is_closed) {
            waiting.pop_front();
        }
        waiting.push_back(sender);
        Err(receiver)
    }

    /// To whoever has waited the longest, or to whoever comes next.
    fn give(&self, lent: Lent) {
        let mut between = self.lock();
        let mut lent = lent;
        while let Some(next) = between.waiting.pop_front() {
            match next.send(lent) {
                Ok(()) => return,
                // That one has given up, or has one of the pool's.
                Err(back) => lent = back,
            }
        }
        between.kept.push(lent);
        if !between.is_swept {
            between.is_swept = true;
            tokio::spawn(self.clone().sweep());
        }
    }

    /// Gives what nobody took to the pool, until nothing is kept.
    async fn sweep(self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let kept = {
                let mut between = self.lock();
                between.is_swept = !between.kept.is_empty();
                std::mem::take(&mut between.kept)
            };
            // Outside of the lock.
            if kept.is_empty() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Between> {
        self.between.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// Gives it to whoever waits or comes next, or to the pool: all that was asked of it has succeeded.
    pub fn hand_on(mut self) {
        self.span = None;
        if self.since.elapsed() < LONGEST && !self.is_in_transaction() && !self.relay.pool.is_closed() {
            self.relay.clone().give(self);
        }
    }

    fn is_in_transaction(&self) -> bool {
        PgTransactionManager::get_transaction_depth(&self.conn) > 0
    }
}

impl Work {
    /// Commits, and hands the connection on.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer: it was committed, or it was not.
    pub async fn commit(mut self) -> Result<(), DbError> {
        PgTransactionManager::commit(&mut self.0.conn).await?;
        self.0.hand_on();
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_in_transaction() {
            // Queued: the pool's test sends it.
            PgTransactionManager::start_rollback(&mut self.conn);
        }
    }
}

impl Deref for Lent {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Deref for Work {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0.conn
    }
}

impl DerefMut for Work {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0.conn
    }
}

impl From<Pool> for Relay {
    fn from(pool: Pool) -> Self {
        Self::new(pool)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("pool", &self.pool).finish_non_exhaustive()
    }
}
