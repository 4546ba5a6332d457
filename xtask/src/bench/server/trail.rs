//! The audit log's rows: as many as auth-server writes for its answers, with its statement, as many at once. What stands in
//! them is made up, and no hash is computed.

use std::time::Duration;

use anyhow::{Context, Result};
use shared::clock::Clock;
use shared::db::Pool;
use sqlx::types::Uuid;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::opaque::random_id;
use super::statements;

/// How long auth-server waits for rows to be written together, and how many it writes at most.
const LINGER: Duration = Duration::from_millis(100);
const BATCH: usize = 500;
/// As long as auth-server's queue.
const QUEUE: usize = 16_384;

/// Where answers are noted.
#[derive(Clone)]
pub struct Trail(mpsc::Sender<()>);

/// Writes the rows, each a number higher than the one before.
struct Writer {
    pool: Pool,
    clock: Clock,
    client_id: String,
    writer: Uuid,
    seq: i64,
}

impl Trail {
    /// Starts the task that writes. Needs the runtime.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn start(pool: Pool, clock: Clock, client_id: String) -> Result<Self> {
        let (queue, mut noted) = mpsc::channel(QUEUE);
        let mut writing = Writer { pool, clock, client_id, writer: random_id()?, seq: 0 };
        tokio::spawn(async move {
            while noted.recv().await.is_some() {
                if noted.len() < BATCH {
                    sleep(LINGER).await;
                }
                let mut rows = 1;
                while rows < BATCH && noted.try_recv().is_ok() {
                    rows += 1;
                }
                if let Err(error) = writing.insert(rows).await {
                    eprintln!("the floors write no audit rows: {error:#}");
                    return;
                }
            }
        });
        Ok(Self(queue))
    }

    /// Notes an answer.
    ///
    /// # Errors
    /// When rows are not written, or not as quickly as answers are given.
    pub fn note(&self) -> Result<()> {
        self.0.try_send(()).context("the audit rows are not written")
    }
}

impl Writer {
    async fn insert(&mut self, rows: usize) -> Result<()> {
        let (first, count) = (self.seq + 1, i64::try_from(rows)?);
        self.seq += count;
        let hash: &[u8] = &[7; 32];
        let id = self.writer;
        let text = |text| vec![text; rows];
        let seqs: Vec<i64> = (first..first + count).collect();
        let query = sqlx::query(statements::AUDIT)
            .bind(vec![id; rows])
            .bind(seqs)
            .bind(vec![self.clock.now(); rows])
            .bind(text(Some("token_issued")))
            .bind(text(Some("ok")))
            .bind(text(None))
            .bind(text(None))
            .bind(text(Some(self.client_id.as_str())))
            .bind(text(Some("127.0.0.1")))
            .bind(vec![id; rows])
            .bind(text(Some("client")))
            .bind(text(Some("client_credentials")))
            .bind(vec![hash; rows])
            .bind(vec![hash; rows]);
        query.execute(&mut *self.pool.acquire().await?).await?;
        Ok(())
    }
}
