//! Writes the whole table into a file, as it is at one moment, page by page so that it takes little memory.

use std::io::Write;

use shared::db::{Conn, DbError};

use super::files::{Format, Writer};
use super::store;

/// How many films are held at once.
const PAGE: i64 = 5000;

/// Why an export ended early. What was written so far is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The output.
    #[error("the output cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl ExportError {
    /// True when the reader of the output went away, as `head` does.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// Writes every film in the order of its key and returns how many there were.
///
/// # Errors
/// [`ExportError`] when the output or the database fails.
pub async fn export(conn: &mut Conn, to: impl Write, format: Format) -> Result<u64, ExportError> {
    let mut writer = Writer::open(to, format)?;
    let mut written = 0;
    let mut last = None;
    let mut snapshot = store::begin_snapshot(conn).await?;
    loop {
        let movies = store::list_all(&mut snapshot, last, PAGE).await?;
        let Some(movie) = movies.last() else { break };
        last = Some(movie.movie_id);
        for movie in &movies {
            writer.write(movie)?;
            written += 1;
        }
    }
    snapshot.rollback().await.map_err(DbError::from)?;
    writer.finish()?;
    Ok(written)
}
