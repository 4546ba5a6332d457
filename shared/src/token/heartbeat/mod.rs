//! Tells the database which keys this process holds, so that auth-server signs with a new key only when every resource
//! server has it (gated rotation).
//!
//! 1. At the start, after every change of the key set, and every [`EVERY`], `myapi.report_resource_server` is called: the
//!    one thing that a resource server writes. It stamps who reports, and when. Where there is no database of the
//!    auth-server's, its `/resource_server_report` takes the same, from a client that serves a resource server.
//! 2. A report that fails is told once and tried again after a pause that doubles up to [`EVERY`]: nothing else depends
//!    on it.

mod http;
mod store;

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::revocations::Revocations;
use super::source::{Keys, SourceError};
use crate::db::{self, DbError, Pool};

pub use self::http::ReportUrl;

/// How often a process reports; silent for three times as long is gone.
pub const EVERY: Duration = Duration::from_secs(30);

/// How long one report may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after a first failure.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Where reports go.
pub enum Reports {
    /// To the auth-server's database.
    Database(Pool),
    /// To the auth-server.
    Url(ReportUrl),
}

/// Reports for one process.
pub struct Heartbeat {
    reports: Reports,
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
    /// The auth-server did not take it.
    #[error("the auth-server answered {0}")]
    Status(u16),
    /// The auth-server was not reached.
    #[error("{0}")]
    Url(SourceError),
    /// No answer in time.
    #[error("there was no answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl From<SourceError> for ReportError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Status(status) => Self::Status(status),
            other => Self::Url(other),
        }
    }
}

impl Heartbeat {
    /// Reports about `keys`, and how far `revocations` was read, under an id of this process's own.
    #[must_use]
    pub fn new(reports: Reports, keys: Keys, revocations: Revocations) -> Self {
        Self { reports, keys, revocations, instance: Uuid::new_v4() }
    }

    /// The id of this process in the reports.
    #[must_use]
    pub const fn instance(&self) -> Uuid {
        self.instance
    }

    /// Reports for ever.
    pub async fn beat(self) {
        let mut changes = self.keys.watch();
        let mut failed: Option<Duration> = None;
        loop {
            changes.mark_unchanged();
            match (self.report().await, failed) {
                (Ok(()), None) => {}
                (Ok(()), Some(_)) => {
                    tracing::info!("the keys held here are reported again");
                    failed = None;
                }
                (Err(error), None) => {
                    tracing::warn!(%error, "the keys held here cannot be reported: rotation may wait for this process");
                    failed = Some(FIRST_RETRY);
                }
                (Err(_), Some(pause)) => failed = Some(EVERY.min(pause * 2)),
            }
            // Whether it was a change or the time makes no difference.
            let _ = timeout(failed.unwrap_or(EVERY), changes.changed()).await;
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
            match &self.reports {
                Reports::Database(pool) => {
                    let mut conn = pool.acquire().await.map_err(DbError::from)?;
                    store::report(&mut conn, self.instance, &kids, seq, source).await.map_err(ReportError::from)
                }
                Reports::Url(url) => {
                    let report = http::Report { instance: self.instance, kids: &kids, feed_seq: seq, source };
                    Ok(url.report(&report).await?)
                }
            }
        };
        db::timeout(PATIENCE, report).await.map_err(|_| ReportError::Late(PATIENCE))?
    }
}
