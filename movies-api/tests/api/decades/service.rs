//! What clients can ask about decades.

use shared::db::{DbError, Pool};

use super::model::Decade;
use super::store;

/// Every decade that has films, earliest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(pool: &Pool) -> Result<Vec<Decade>, DbError> {
    let mut conn = pool.acquire().await?;
    store::list(&mut conn).await
}
