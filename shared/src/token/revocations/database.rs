//! The feed in the database: one connection that reads, one that listens for hints.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgListener, Postgres};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{Entry, FeedError, POLL, Position, Revocations, store};
use crate::db::{self, DbError, Pool};

/// Where writers leave their hints.
const CHANNEL: &str = "myapi_revocations";

/// How long one reading may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before it is tried again to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// Reads the feed by a connection that it keeps.
pub(super) struct Reader {
    pool: Pool,
    conn: Option<PoolConnection<Postgres>>,
}

impl Reader {
    pub(super) const fn new(pool: Pool) -> Self {
        Self { pool, conn: None }
    }

    /// Reads on, or everything where the connection is new.
    pub(super) async fn read(&mut self, revocations: &Revocations) -> Result<(), FeedError> {
        let read = timeout(READ_TIMEOUT, self.read_on(revocations)).await;
        let read = read.unwrap_or(Err(FeedError::Late(READ_TIMEOUT)));
        if read.is_err()
            && let Some(mut conn) = self.conn.take()
        {
            // It may be in the middle of an answer, or dead: nobody is to get it from the pool.
            conn.close_on_drop();
        }
        read
    }

    async fn read_on(&mut self, revocations: &Revocations) -> Result<(), FeedError> {
        let held = revocations.position();
        let (conn, is_new) = match &mut self.conn {
            Some(conn) => (conn, false),
            None => (self.conn.insert(self.pool.acquire().await.map_err(DbError::from)?), true),
        };
        let head = store::head(conn).await?;
        let reach = |entries: &[Entry]| {
            // An entry may have come between the two statements.
            let seq = entries.last().map_or(head.seq, |entry| entry.seq.max(head.seq));
            Position { feed_id: Some(head.feed_id), seq }
        };
        // Numbers go back where a backup was restored, or where everything has expired and was dropped.
        if is_new || held.feed_id != Some(head.feed_id) || head.seq < held.seq {
            let entries = store::list(conn, 0, revocations.now()).await?;
            let position = reach(&entries);
            revocations.replace(entries, position);
            return Ok(());
        }
        let entries =
            if head.seq > held.seq { store::list(conn, held.seq, revocations.now()).await? } else { Vec::new() };
        let position = reach(&entries);
        revocations.add(entries, position);
        Ok(())
    }
}

/// Passes hints on for ever. Where it cannot listen (a standby, a pooler), the poll is all there is.
pub(super) async fn listen(pool: &Pool, hints: &Notify) {
    let mut was_told = false;
    loop {
        match hear(pool, hints, &mut was_told).await {
            Ok(()) => sleep(POLL).await,
            Err(error) => {
                if !was_told {
                    let error = db::reason(&error);
                    tracing::info!(error, "no hints of new revocations: the feed is read every half second alone");
                    was_told = true;
                }
                sleep(LISTEN_AGAIN).await;
            }
        }
    }
}

async fn hear(pool: &Pool, hints: &Notify, was_told: &mut bool) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    *was_told = false;
    // What was written before this is hinted at by nobody.
    hints.notify_one();
    // A session that ends, in whatever way, is begun anew: told is only where none can be had.
    while let Ok(Some(_)) = listener.try_recv().await {
        // What it says does not matter: the feed does.
        hints.notify_one();
    }
    Ok(())
}
