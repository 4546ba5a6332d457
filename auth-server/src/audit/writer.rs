//! The one task of a process that writes its chain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shared::clock::Clock;
use shared::db::{self, DbError, Pool};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use super::chain::Head;
use super::checkpoint::{Checkpoints, Witness};
use super::kind::Kind;
use super::model::{Event, Outcome, Record, Row};
use super::queue::{Message, Tally};
use super::{actor, store};

/// How long a record waits for others to be written with it.
const LINGER: Duration = Duration::from_millis(100);
/// Records that are written with one statement at most.
const BATCH: usize = 500;
/// How long one statement may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);

pub(super) struct Writer {
    pool: Pool,
    clock: Clock,
    checkpoints: Option<Checkpoints>,
    head: Head,
    tally: Arc<Tally>,
    /// Losses that a record tells of already.
    told: u64,
}

/// What is written together.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    waiting: Vec<oneshot::Sender<()>>,
    is_last: bool,
}

impl Batch {
    fn add(&mut self, message: Message) {
        match message {
            Message::Record(record) => self.records.push(*record),
            Message::Flush(done) => self.waiting.push(done),
            Message::Close(done) => {
                self.waiting.push(done);
                self.is_last = true;
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.records.len() >= BATCH || !self.waiting.is_empty()
    }
}

impl Writer {
    pub(super) fn new(pool: Pool, clock: Clock, witness: Option<Witness>, writer: Uuid, tally: Arc<Tally>) -> Self {
        let checkpoints = witness.map(|witness| Checkpoints::new(witness, pool.clone()));
        Self { pool, clock, checkpoints, head: Head::new(writer), tally, told: 0 }
    }

    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut next_checkpoint = Instant::now() + CHECKPOINT_EVERY;
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                () = sleep_until(next_checkpoint), if self.checkpoints.is_some() => {
                    self.checkpoint().await;
                    next_checkpoint = Instant::now() + CHECKPOINT_EVERY;
                    continue;
                }
            };
            let Some(first) = message else { return };
            let batch = gather(first, &mut messages, &self.tally.hurry).await;
            let is_last = batch.is_last;
            self.write(batch.records, &messages).await;
            if is_last {
                self.checkpoint().await;
            }
            for done in batch.waiting {
                // Who asked may have run out of patience.
                let _ = done.send(());
            }
            if is_last {
                return;
            }
        }
    }

    /// Writes a batch, however long the database is away; gives up where it refuses, or where nobody is left to wait.
    async fn write(&mut self, mut records: Vec<Record>, messages: &mpsc::Receiver<Message>) {
        let noted = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let losses = self.losses();
        if losses > self.told {
            records.insert(0, self.loss(losses - self.told));
        }
        if records.is_empty() {
            return;
        }
        let mut head = self.head;
        let rows: Vec<Row> = records.into_iter().map(|record| head.append(record)).collect();
        let mut pause = LINGER;
        let mut is_repeated = false;
        let refused = loop {
            let answer = match db::timeout(PATIENCE, self.insert(&rows)).await {
                // The try before it was heard and not answered: nobody else has this writer's numbers.
                Ok(Err(error)) if is_repeated && store::are_there(&error) => Ok(Ok(())),
                answer => answer,
            };
            match answer {
                Ok(Ok(())) => {
                    self.head = head;
                    self.told = losses;
                    self.tally.written.fetch_add(noted, Ordering::Relaxed);
                    self.tally.is_full_told.store(false, Ordering::Relaxed);
                    return;
                }
                Ok(Err(error)) if !error.is_unavailable() || messages.is_closed() => break error.to_string(),
                Err(_) if messages.is_closed() => break "no answer in time".to_owned(),
                Ok(Err(error)) => {
                    tracing::warn!(%error, audit.waiting = rows.len(), "audit events wait to be recorded")
                }
                Err(_) => tracing::warn!(audit.waiting = rows.len(), "audit events wait to be recorded"),
            }
            is_repeated = true;
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        self.tally.lost.fetch_add(noted, Ordering::Relaxed);
        tracing::error!(reason = refused, audit.lost = noted, "audit events were lost: they are in no table");
    }

    async fn insert(&self, rows: &[Row]) -> Result<(), DbError> {
        let mut conn = self.pool.acquire().await?;
        store::insert(&mut conn, rows).await
    }

    fn losses(&self) -> u64 {
        self.tally.dropped.load(Ordering::Relaxed) + self.tally.lost.load(Ordering::Relaxed)
    }

    fn loss(&self, count: u64) -> Record {
        let event = Event::not_ok(Kind::AuditLost, Outcome::Failed, "the queue was full, or the database refused them");
        Record {
            at: self.clock.now(),
            event: event.detail(format!("{count} events")),
            address: None,
            request_id: None,
            actor: actor::SERVER.to_owned(),
        }
    }

    async fn checkpoint(&mut self) {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.sign(self.head, self.clock.now()).await;
        }
    }
}

/// Takes what comes within a moment; whoever waits for it ends the moment. Looked at when the moment ends, and not for each
/// as it comes: a busy server would be woken as often as it is asked.
async fn gather(first: Message, messages: &mut mpsc::Receiver<Message>, hurry: &Notify) -> Batch {
    let mut batch = Batch::default();
    batch.add(first);
    if !batch.is_ready() && messages.len() < BATCH {
        // Either will do.
        let _ = timeout(LINGER, hurry.notified()).await;
    }
    while !batch.is_ready()
        && let Ok(message) = messages.try_recv()
    {
        batch.add(message);
    }
    batch
}
