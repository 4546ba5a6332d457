//! The whole table as a file, page by page as its reader asks for more.
//!
//! Nothing is held between two pages, neither a connection nor a snapshot, so that a reader who is slow or gone costs
//! nothing. For that a film that is changed meanwhile is in the file as it was when its page was read; each is in it once.

use std::time::Duration;

use shared::db::{self, DbError, Pool};

use super::export::ExportError;
use super::files::{Format, Writer};
use super::store;

/// How many films are held at once.
const PAGE: i64 = 500;
/// How long the database may take for one page, as long as for a whole request: the deadline of those ends with the head of
/// their answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file in the making.
pub struct Pages {
    pool: Pool,
    format: Format,
    last: Option<i64>,
    is_begun: bool,
    is_over: bool,
}

impl Pages {
    /// Nothing is read yet.
    #[must_use]
    pub const fn new(pool: Pool, format: Format) -> Self {
        Self { pool, format, last: None, is_begun: false, is_over: false }
    }

    /// The next part of the file; `None` at its end.
    ///
    /// # Errors
    /// [`ExportError`]; what came before is incomplete.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ExportError> {
        if self.is_over {
            return Ok(None);
        }
        let read = async {
            let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
            store::list_all(&mut conn, self.last, PAGE).await
        };
        let movies = db::within(PATIENCE, read).await?;
        self.is_over = i64::try_from(movies.len()).is_ok_and(|read| read < PAGE);
        self.last = movies.last().map(|movie| movie.movie_id).or(self.last);
        let mut part = Vec::new();
        let open = if self.is_begun { Writer::resume } else { Writer::open };
        let mut writer = open(&mut part, self.format)?;
        for movie in &movies {
            writer.write(movie)?;
        }
        writer.finish()?;
        self.is_begun = true;
        Ok(Some(part))
    }
}
