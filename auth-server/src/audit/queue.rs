//! The queue between those who note and the one task that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::clock::Clock;
use shared::db::Pool;
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::{NoContext, Timestamp, Uuid};

use super::checkpoint::Witness;
use super::model::Record;
use super::writer::Writer;

/// Records that may wait to be written, some 2 KB each at most: a flood of half a minute while the database is away.
const QUEUE: usize = 16_384;

/// What goes through the queue.
pub(super) enum Message {
    Record(Box<Record>),
    /// Answered when everything before it is written or lost.
    Flush(oneshot::Sender<()>),
    /// The same, and the writer ends.
    Close(oneshot::Sender<()>),
}

/// What became of records so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Recorded in the table.
    pub written: u64,
    /// Lost because the queue was full.
    pub dropped: u64,
    /// Lost because the database refused them, or did not come back before the end.
    pub lost: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    noted: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) lost: AtomicU64,
    /// Whether the log has it that the queue is full.
    pub(super) is_full_told: AtomicBool,
    /// Ends the writer's rest: somebody waits for it, or the queue fills.
    pub(super) hurry: Notify,
}

/// The audit log of this process. Clones share the queue; the writer ends with [`Audit::close`] or with the last clone.
#[derive(Clone)]
pub struct Audit {
    queue: mpsc::Sender<Message>,
    clock: Clock,
    writer: Uuid,
    tally: Arc<Tally>,
}

impl Audit {
    /// Starts the writer. With a `witness` it also signs, every few minutes and at its end, how far all chains have come.
    #[must_use]
    pub fn start(pool: Pool, clock: Clock, witness: Option<Witness>) -> Self {
        Self::with_queue(pool, clock, witness, QUEUE)
    }

    /// The same with a queue of another length.
    #[must_use]
    pub fn with_queue(pool: Pool, clock: Clock, witness: Option<Witness>, length: usize) -> Self {
        let (queue, messages) = mpsc::channel(length);
        let (writer, tally) = (name(clock.now()), Arc::new(Tally::default()));
        let task = Writer::new(pool, clock.clone(), witness, writer, Arc::clone(&tally));
        tokio::spawn(task.run(messages));
        Self { queue, clock, writer, tally }
    }

    /// The process's name in rows.
    #[must_use]
    pub const fn writer(&self) -> Uuid {
        self.writer
    }

    /// What became of records so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { written: of(&self.tally.written), dropped: of(&self.tally.dropped), lost: of(&self.tally.lost) }
    }

    /// Queues a record, or counts it as dropped; never waits.
    pub(super) fn push(&self, record: impl FnOnce(DateTime<Utc>) -> Record) {
        let message = Message::Record(Box::new(record(self.clock.now())));
        self.tally.noted.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(message).is_err() {
            self.tally.dropped.fetch_add(1, Ordering::Relaxed);
            if !self.tally.is_full_told.swap(true, Ordering::Relaxed) {
                tracing::error!("the audit queue is full: events are not recorded until the database takes them again");
            }
        }
        if self.queue.capacity() < self.queue.max_capacity() / 2 {
            self.tally.hurry.notify_one();
        }
    }

    /// Whether the writer is there to take it.
    async fn send(&self, message: Message) -> bool {
        let is_sent = self.queue.send(message).await.is_ok();
        self.tally.hurry.notify_one();
        is_sent
    }

    /// Waits until everything noted so far is written or lost.
    pub async fn flush(&self) {
        let (done, answer) = oneshot::channel();
        if self.send(Message::Flush(done)).await {
            // A writer that ended has nothing left.
            let _ = answer.await;
        }
    }

    /// Writes what is left and ends the writer, for at most `patience`. What is noted later is lost. False, and an error
    /// in the log, where records were lost.
    pub async fn close(&self, patience: Duration) -> bool {
        let (done, answer) = oneshot::channel();
        let closing = async {
            if self.send(Message::Close(done)).await {
                let _ = answer.await;
            }
        };
        // The counts say what came of it.
        let _ = tokio::time::timeout(patience, closing).await;
        let Counts { written, .. } = self.counts();
        let missing = self.tally.noted.load(Ordering::Relaxed).saturating_sub(written);
        if missing > 0 {
            tracing::error!(audit.lost = missing, "audit events were lost: they are in no table");
        }
        missing == 0
    }
}

/// A chain's name has the time of its beginning in it (RFC 9562 section 5.7), which no anchor can be older than.
fn name(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

/// When a chain of this name began.
pub(super) fn beginning_of(writer: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = writer.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}
