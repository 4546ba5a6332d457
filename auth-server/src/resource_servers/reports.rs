//! What the running processes of resource servers hold, as they report it themselves.

use std::time::Duration;

use serde::Serialize;
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::store;
use crate::clients::ClientId;

/// A process that follows keys by itself and has been silent for this long is not running any more.
pub const SILENT_AFTER: Duration = Duration::from_secs(90);
/// It is listed this long all the same.
pub const LISTED_FOR: Duration = Duration::from_secs(24 * 3600);

/// One process of a resource server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The process.
    pub instance: Uuid,
    /// The database user that it reports as; `client:ID` where it reports over HTTP.
    pub reported_by: String,
    /// The kids that it accepts.
    pub kids: Vec<String>,
    /// How far it has read the revocation feed.
    pub feed_seq: i64,
    /// `url` follows new keys by itself, `file` needs somebody to change the file.
    pub source: String,
    /// Seconds since its last report, by the database's clock.
    pub silent_for: i64,
    /// Seconds since its first report.
    pub known_for: i64,
}

/// Keys that one process may hold, and bytes of the name of each.
const MOST_KIDS: usize = 100;
const LONGEST_KID: usize = 256;

/// What a process reports over HTTP.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// The process.
    pub instance: Uuid,
    /// The kids that it accepts, at most 100.
    pub kids: Vec<String>,
    /// How far it has read the revocation feed.
    pub feed_seq: i64,
    /// How it gets keys.
    pub source: Source,
}

/// How a process gets keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It follows new keys by itself.
    Url,
    /// Somebody has to change a file; such a process is never taken for gone.
    File,
}

/// Why a report was not kept.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// These are not the keys of a process.
    #[error("these are no kids of a key set")]
    Invalid,
    /// Another client reports for this process.
    #[error("the process is another client's")]
    OthersProcess,
    /// The database gave no answer, or has no room.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Report {
    /// Whether a new key has to wait for it: a process that reads a file never ages out, because nobody can tell
    /// whether it was stopped or only cannot report.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.source == "file" || u64::try_from(self.silent_for).unwrap_or(0) < SILENT_AFTER.as_secs()
    }

    /// Whether it accepts tokens under this kid.
    #[must_use]
    pub fn holds(&self, kid: &str) -> bool {
        self.kids.iter().any(|held| held == kid)
    }
}

/// Keeps what a client says that a process holds.
///
/// # Errors
/// [`ReportError`]; nothing is kept then.
pub async fn report(conn: &mut Conn, client_id: &ClientId, new: &NewReport) -> Result<(), ReportError> {
    let is_kid = |kid: &String| !kid.is_empty() && kid.len() <= LONGEST_KID && !kid.contains('\0');
    if new.feed_seq < 0 || new.kids.len() > MOST_KIDS || !new.kids.iter().all(is_kid) {
        return Err(ReportError::Invalid);
    }
    let source = match new.source {
        Source::Url => "url",
        Source::File => "file",
    };
    let is_kept = store::keep_report(conn, &format!("client:{client_id}"), new, source).await?;
    if is_kept { Ok(()) } else { Err(ReportError::OthersProcess) }
}

/// Every process that reported within a day, and those that read a file, the newest first.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn reports(conn: &mut Conn) -> Result<Vec<Report>, DbError> {
    let listed_for = i64::try_from(LISTED_FOR.as_secs()).unwrap_or(i64::MAX);
    store::list_reports(conn, listed_for).await
}

/// Takes a process out that is gone for good; false where none has this id.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn forget(conn: &mut Conn, instance: Uuid) -> Result<bool, DbError> {
    store::delete_report(conn, instance).await
}
