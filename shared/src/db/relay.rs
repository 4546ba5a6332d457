//! Connections that go from one request to the next without a stop at the pool.
//!
//! sqlx's pool tests each connection that is given back, with a round trip and a task of its own: beside one short
//! statement that is nearly as much work again, for both sides. Under load somebody is waiting for the connection anyway,
//! so whoever is done hands it over.
//!
//! 1. Only a connection whose work succeeded is handed on. Dropped on the way (an error, a client that hung up), it goes
//!    to the pool, which rolls back and tests it.
//! 2. Only to somebody who waits, which nobody does while the pool may open more. Where nobody does, the pool has it.
//! 3. For [`LONGEST`] on end. Then the pool has it, for its limit on a connection's age, and for whoever asks the pool
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

/// How long a connection goes from hand to hand before the pool has it again.
const LONGEST: Duration = Duration::from_millis(100);

/// A pool whose users hand connections to one another. Clones share those who wait.
#[derive(Clone)]
pub struct Relay {
    pool: Pool,
    waiting: Arc<Mutex<VecDeque<oneshot::Sender<Lent>>>>,
}

/// A connection, for as long as it is held. Dropped, it goes to the pool; an open transaction is rolled back then.
#[must_use]
pub struct Lent {
    conn: PoolConnection<Postgres>,
    since: Instant,
    relay: Relay,
}

/// A transaction on a connection of its own. Dropped, it is rolled back.
#[must_use]
pub struct Work(Lent);

impl Relay {
    /// Hands on connections of this pool.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, waiting: Arc::default() }
    }

    /// The pool itself.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A connection: the pool's, or one that somebody has no more need of, whichever comes first.
    ///
    /// # Errors
    /// The pool's own: [`DbError::Unavailable`] when there is none in time.
    pub async fn acquire(&self) -> Result<Lent, DbError> {
        if let Some(conn) = self.pool.try_acquire() {
            return Ok(self.lend(conn));
        }
        if self.pool.size() < self.pool.options().get_max_connections() {
            // It opens another one. Not to be dropped on the way for one that is handed on: the next would begin again.
            return Ok(self.lend(self.pool.acquire().await?));
        }
        let handed = self.wait();
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
        Lent { conn, since: Instant::now(), relay: self.clone() }
    }

    fn wait(&self) -> oneshot::Receiver<Lent> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        // Who got one from the pool is gone: nothing is left of them, however seldom connections are handed on.
        while waiting.front().is_some_and(oneshot::Sender::is_closed) {
            waiting.pop_front();
        }
        waiting.push_back(sender);
        receiver
    }

    /// Whoever has waited the longest.
    fn next(&self) -> Option<oneshot::Sender<Lent>> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<oneshot::Sender<Lent>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// Gives it to whoever waits, or to the pool: all that was asked of it has succeeded.
    pub fn hand_on(self) {
        let mut lent = self;
        if lent.since.elapsed() >= LONGEST || lent.is_in_transaction() {
            return;
        }
        let relay = lent.relay.clone();
        while let Some(next) = relay.next() {
            match next.send(lent) {
                Ok(()) => return,
                // That one has given up, or has one of the pool's.
                Err(back) => lent = back,
            }
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
