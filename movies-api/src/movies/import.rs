//! Brings films from a file into the table, in one transaction.
//!
//! 1. Each row is checked; good ones are copied into a staging table, everything wrong is noted with line and field.
//! 2. Keys that the file has twice are found in the staging table and noted, too.
//! 3. If anything was noted, nothing is written, unless bad rows may be skipped.
//! 4. Upserts insert, update, or leave rows as they are, batch by batch, so that it can be told how far they are.
//! 5. The transaction is committed, or, in a dry run, rolled back.

use std::io::Read;

use serde::Serialize;
use shared::db::{Conn, DbError};
use sqlx::Connection as _;

use super::files::{Fault, FileError, Row, Rows};
use super::store::staging::{self, Merged, Staging};

/// The most faults that are kept one by one; more are counted.
pub const MAX_FAULTS: usize = 1000;

/// How many films are written by one statement.
const BATCH: i64 = 50_000;
/// How many rows are read between two reports of progress.
const REPORT: u64 = 1000;
/// From so many changes on the statistics of the table are made anew.
const MANY: u64 = 10_000;

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// So many rows of the file are read.
    Reading(u64),
    /// So many of all its films are written.
    Writing {
        /// Done.
        films: u64,
        /// All.
        of: u64,
    },
}

/// What to do with the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Import the good rows of a file that has bad ones.
    pub skips_bad: bool,
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
    /// Films that were not there.
    pub inserted: u64,
    /// Films that were there with another title, year or rating.
    pub updated: u64,
    /// Films that were there just so.
    pub unchanged: u64,
    /// Bad rows.
    pub skipped: u64,
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

    fn note(&mut self, faults: Vec<Fault>) {
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

/// Imports the rows of one file; `tell` hears how far it is.
///
/// # Errors
/// [`ImportError`] when the file cannot be read or the database fails; bad rows are no error but in the report.
pub async fn import(
    conn: &mut Conn,
    rows: Rows<impl Read>,
    options: ImportOptions,
    tell: impl Fn(Stage) + Send,
) -> Result<ImportReport, ImportError> {
    let mut report = ImportReport::default();
    let mut transaction = conn.begin().await.map_err(DbError::from)?;

    let mut staging = Staging::open(&mut transaction).await?;
    for row in rows {
        report.rows += 1;
        if report.rows.is_multiple_of(REPORT) {
            tell(Stage::Reading(report.rows));
        }
        match row? {
            Row::Film(line, movie) => staging.add(line, &movie).await?,
            Row::Broken(faults) => {
                report.skipped += 1;
                report.note(faults);
            }
        }
    }
    staging.finish().await?;

    let limit = i64::try_from(MAX_FAULTS).unwrap_or(i64::MAX);
    let (repeated, listed) = staging::list_repeated(&mut transaction, limit).await?;
    report.skipped += count(repeated);
    report.more_faults += count(repeated).saturating_sub(listed.len() as u64);
    report.note(listed.into_iter().map(Fault::from).collect());
    report.faults.sort_by_key(|fault| fault.line);

    if report.is_refused(options) {
        transaction.rollback().await.map_err(DbError::from)?;
        return Ok(report);
    }
    merge(&mut transaction, &mut report, tell).await?;
    if options.is_dry_run {
        transaction.rollback().await.map_err(DbError::from)?;
    } else {
        if report.inserted > 0 {
            staging::advance_key(&mut transaction).await?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        report.is_written = true;
        if report.inserted + report.updated >= MANY {
            staging::analyze(conn).await?;
        }
    }
    Ok(report)
}

async fn merge(conn: &mut Conn, report: &mut ImportReport, tell: impl Fn(Stage)) -> Result<(), DbError> {
    let (mut films, of) = (0, report.rows - report.skipped.min(report.rows));
    let mut after = None;
    loop {
        tell(Stage::Writing { films, of });
        let Merged { inserted, updated, unchanged, last } = staging::merge(conn, after, BATCH).await?;
        report.inserted += count(inserted);
        report.updated += count(updated);
        report.unchanged += count(unchanged);
        films = report.inserted + report.updated + report.unchanged;
        if last.is_none() {
            return Ok(());
        }
        after = last;
    }
}

impl From<staging::Repeated> for Fault {
    fn from(repeated: staging::Repeated) -> Self {
        let staging::Repeated { line, movie_id, first_line } = repeated;
        let reason = format!("{movie_id} stands in line {first_line} already");
        Self { line: count(line), field: Some("movie_id"), reason }
    }
}

/// Counts and line numbers are never negative; Postgres has no type that says so.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
