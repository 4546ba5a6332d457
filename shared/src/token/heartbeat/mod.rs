//! Tells the database which keys this process holds, so that auth-server signs with a new key only when every resource
//! server has it (gated rotation).
//!
//! 1. At the start, after every change of the key set, and every [`EVERY`], `myapi.report_resource_server` is called: the
//!    one thing that a resource server writes. It stamps who reports, and when.
//! 2. A report that fails is told once and tried again at the next turn: nothing else depends on it.

mod store;

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::revocations::Revocations;
use super::source::Keys;
use crate::db::{self, DbError, Pool};

/// How often a process reports; silent for three times as long is gone.
pub const EVERY: Duration = Duration::from_secs(30);

/// How long one report may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reports for one process.
pub struct Heartbeat {
    pool: Pool,
    keys: Keys,
    revocations: Revocations,
    instance: Uuid,
}

/// Why a report failed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// No answer in time.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl Heartbeat {
    /// Reports about `keys`, and how far `revocations` was read, under an id of this process's own.
    #[must_use]
    pub fn new(pool: Pool, keys: Keys, revocations: Revocations) -> Self {
        Self { pool, keys, revocations, instance: Uuid::new_v4() }
    }

    /// The id of this process in the reports.
    #[must_use]
    pub const fn instance(&self) -> Uuid {
        self.instance
    }

    /// Reports for ever.
    pub async fn beat(self) {
        let mut changes = self.keys.watch();
        let mut has_failed = false;
        loop {
            changes.mark_unchanged();
            match self.report().await {
                Ok(()) if has_failed => {
                    tracing::info!("the keys held here are reported again");
                    has_failed = false;
                }
                Err(error) if !has_failed => {
                    tracing::warn!(%error, "the keys held here cannot be reported: rotation may wait for this process");
                    has_failed = true;
                }
                _ => {}
            }
            // Whether it was a change or the time makes no difference.
            let _ = timeout(EVERY, changes.changed()).await;
        }
    }

    /// One report.
    ///
    /// # Errors
    ///
    /// [`ReportError`].
    pub async fn report(&self) -> Result<(), ReportError> {
        let set = self.keys.set().load_full();
        let kids: Vec<String> = set.kids().into_iter().map(str::to_owned).collect();
        let source = if self.keys.is_file() { "file" } else { "url" };
        let seq = self.revocations.position().seq;
        let report = async {
            let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
            store::report(&mut conn, self.instance, &kids, seq, source).await
        };
        Ok(db::timeout(PATIENCE, report).await.map_err(|_| ReportError::Late(PATIENCE))??)
    }
}
