//! Connections whose other end may be gone without a word: a host that lost its power, a firewall that forgot.
//!
//! sqlx pings a connection that comes back, and waits for the answer without limit: as long as the system sends again, which
//! is a quarter of an hour. All the pool's places may be lost to that. So whoever gives up on a query casts doubt, and for a
//! while each connection has to answer in time, or is thrown away, when it comes back and when it is taken. (To ask always
//! would cost each request a round trip; limits on the socket, which libpq has, sqlx does not offer.)
//!
//! The same question tells of a transaction that nobody knows of: a `begin` that was given up on its way still begins one,
//! which sqlx does not count (issue 4385 of sqlx). Such a connection is thrown away as well.
//!
//! A connection that nobody used for a while is asked as well: were Postgres restarted meanwhile, each would cost somebody
//! a 503. Under load none is at rest for that long.

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Executor as _, PgConnection, Row as _};
use tokio::time::error::Elapsed;

use super::DbError;

/// How long doubt lasts: longer than a request may hang, so that no connection of the same age escapes.
const LASTS: Duration = Duration::from_secs(30);

/// How long a connection in doubt may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// After how long a rest a connection has to answer before it is used.
const REST: Duration = Duration::from_millis(500);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds after [`START`] until which there is doubt.
static UNTIL: AtomicU64 = AtomicU64::new(0);

/// Casts doubt unless it is told that everything went well: dropped in the middle of a query, say.
#[derive(Debug)]
#[must_use]
pub struct Watch(bool);

impl Watch {
    /// To be made after the future that may hold a connection, so that it is dropped before it.
    pub const fn new() -> Self {
        Self(true)
    }

    /// The query came to its end, whatever that was.
    pub fn done(mut self) {
        self.0 = false;
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.0 {
            UNTIL.store(now().saturating_add(millis(LASTS)), Ordering::Relaxed);
        }
    }
}

/// As tokio's, and casts doubt when the time is over.
///
/// # Errors
/// [`Elapsed`] when it is.
pub async fn timeout<F: Future>(limit: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = std::pin::pin!(tokio::time::timeout(limit, work));
    let watch = Watch::new();
    let answer = work.as_mut().await;
    if answer.is_ok() {
        watch.done();
    }
    answer
}

/// The same, and the end of the time is one of the ways in which a database is away.
///
/// # Errors
/// What the work fails with, or [`DbError::Unavailable`].
pub async fn within<T, E: From<DbError>>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(DbError::from(silence()).into()))
}

/// Whether a connection that is taken after so long a rest is good: at once where there is no doubt, else when it answers.
pub(super) async fn check_rested(conn: &mut PgConnection, rest: Duration) -> Result<bool, sqlx::Error> {
    if rest < REST { check(conn).await } else { ask(conn).await }
}

/// The same whatever rest it had.
pub(super) async fn check(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let until = UNTIL.load(Ordering::Relaxed);
    if until == 0 {
        return Ok(true);
    }
    if now() > until {
        UNTIL.store(0, Ordering::Relaxed);
        return Ok(true);
    }
    ask(conn).await
}

/// Whether it is outside of any transaction: there a statement by the simple protocol begins one of its own.
async fn ask(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let answer = async { conn.fetch_one("select now() = statement_timestamp()").await?.try_get(0) };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answered) => answered,
        Err(_) => Err(silence()),
    }
}

fn silence() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the connection does not answer any more").into()
}

fn now() -> u64 {
    millis(START.elapsed())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
