//! Reading what was recorded.

use shared::db::{Conn, DbError};

use super::model::{Filter, Row};
use super::store;

/// Rows that are read at once.
const AT_ONCE: i64 = 1000;

/// The newest rows, and whether there are more.
#[derive(Debug)]
pub struct Page {
    /// The newest first.
    pub rows: Vec<Row>,
    /// Whether the limit left some out.
    pub has_more: bool,
}

/// Up to `limit` rows, the newest first.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn list(conn: &mut Conn, filter: &Filter, limit: u32) -> Result<Page, DbError> {
    let mut rows = store::list(conn, filter, i64::from(limit) + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Page { rows, has_more })
}

/// Hands every row to `take`, the oldest first, and holds a thousand at most. What is recorded meanwhile may come along.
///
/// # Errors
/// [`DbError`] when there is no answer, and what `take` says.
pub async fn for_each<E: From<DbError>>(
    conn: &mut Conn,
    filter: &Filter,
    mut take: impl FnMut(&Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut last: Option<Row> = None;
    loop {
        let rows = store::list_after(conn, filter, last.as_ref(), AT_ONCE).await?;
        for row in &rows {
            take(row)?;
        }
        match rows.into_iter().next_back() {
            Some(row) => last = Some(row),
            None => return Ok(()),
        }
    }
}
