//! Brings users of another application in, with the hashes of their passwords, in one transaction.
//!
//! 1. Each row is checked: the address by the rules for new users, the hash by what a login could check. Good rows go
//!    into a staging table, everything wrong is noted with line and field.
//! 2. Under the lock of addresses, rows whose canonical address stood earlier in the file or is another user's are
//!    found and noted.
//! 3. If anything was noted, nothing is written, unless bad rows may be skipped.
//! 4. The rest is inserted, and the transaction is committed, or, in a dry run, rolled back.
//!
//! A password is never seen: who logs in for the first time gets an Argon2id hash in place of the imported one.

mod files;
mod keycloak;
mod row;
mod store;

use std::collections::BTreeMap;
use std::io::Read;

use crate::audit::{self, Event, Kind};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::db::{Conn, DbError};
use sqlx::Connection as _;

pub use self::files::{FileError, Format, Rows};
pub use self::row::{ImportedUser, NoPassword, Row};
pub use shared::files::Fault;

/// The most faults that are kept one by one; more are counted.
pub const MAX_FAULTS: usize = 1000;
/// Rows per statement.
const CHUNK: usize = 1000;

/// What to do with the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Import the good rows of a file that has bad ones.
    pub skips_bad: bool,
    /// Pass over users whose address is there already, instead of calling their rows bad.
    pub skips_existing: bool,
    /// Do everything, and take it back.
    pub is_dry_run: bool,
}

/// What became of a file.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// False when nothing was written: a dry run, or bad rows that may not be skipped.
    pub is_written: bool,
    /// The rows of the file, without header and empty lines.
    pub rows: u64,
    /// Users that were made.
    pub inserted: u64,
    /// Rows whose address is another user's, where those are passed over.
    pub existing: u64,
    /// Bad rows.
    pub skipped: u64,
    /// The good rows by the kind of their hash; `none` are users without a password.
    pub kinds: BTreeMap<&'static str, u64>,
    /// What is wrong with the bad rows, by line; the first [`MAX_FAULTS`] of it.
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more_faults: u64,
}

impl ImportReport {
    /// True when the file has bad rows and they were not to be skipped.
    #[must_use]
    pub const fn is_refused(&self, options: ImportOptions) -> bool {
        self.skipped > 0 && !options.skips_bad
    }

    fn note(&mut self, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            if self.faults.len() < MAX_FAULTS { self.faults.push(fault) } else { self.more_faults += 1 }
        }
    }
}

/// Why an import came to no end. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file as a whole.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Imports the rows of one file; `now` is when the users are made.
///
/// # Errors
/// [`ImportError`] when the file cannot be read or the database fails; bad rows are no error but in the report.
pub async fn import(
    conn: &mut Conn,
    rows: Rows<impl Read>,
    options: ImportOptions,
    now: DateTime<Utc>,
) -> Result<ImportReport, ImportError> {
    let mut report = ImportReport::default();
    let mut transaction = conn.begin().await.map_err(DbError::from)?;
    store::create_staging(&mut transaction).await?;
    stage(&mut transaction, rows, &mut report).await?;

    super::store::lock_addresses(&mut transaction).await?;
    let clashes = super::service::adopt(&mut transaction).await?;
    let clashes: Vec<String> = clashes.into_iter().map(|clash| clash.canonical).collect();
    for (line, first_line) in store::delete_repeated(&mut transaction).await? {
        report.skipped += 1;
        report.note([fault(line, format!("is the address of line {first_line} already"))]);
    }
    let taken = store::delete_taken(&mut transaction, &clashes).await?;
    if options.skips_existing {
        report.existing = u64::try_from(taken.len()).unwrap_or(u64::MAX);
    } else {
        report.skipped += u64::try_from(taken.len()).unwrap_or(u64::MAX);
        report.note(
            taken
                .into_iter()
                .map(|line| fault(line, "is a user's already (--skip-existing passes over those)".to_owned())),
        );
    }
    report.faults.sort_by_key(|fault| fault.line);

    if report.is_refused(options) {
        transaction.rollback().await.map_err(DbError::from)?;
        return Ok(report);
    }
    report.inserted = store::insert_staged(&mut transaction, now).await?;
    if options.is_dry_run {
        transaction.rollback().await.map_err(DbError::from)?;
    } else {
        transaction.commit().await.map_err(DbError::from)?;
        report.is_written = true;
        audit::note(Event::ok(Kind::UsersImported).detail(report.inserted));
    }
    Ok(report)
}

/// Puts the good rows into the staging table, and notes what is wrong with the others.
async fn stage(conn: &mut Conn, rows: Rows<impl Read>, report: &mut ImportReport) -> Result<(), ImportError> {
    let mut chunk = Vec::with_capacity(CHUNK);
    for row in rows {
        report.rows += 1;
        match row? {
            Row::User(line, user) => {
                *report.kinds.entry(user.hashed.as_ref().map_or("none", |hash| hash.kind())).or_default() += 1;
                chunk.push((line, *user));
            }
            Row::Broken(faults) => {
                report.skipped += 1;
                report.note(faults);
            }
        }
        if chunk.len() == CHUNK {
            store::stage(conn, &chunk).await?;
            chunk.clear();
        }
    }
    Ok(store::stage(conn, &chunk).await?)
}

fn fault(line: i64, reason: String) -> Fault {
    Fault { line: u64::try_from(line).unwrap_or_default(), field: Some("email"), reason }
}
