//! What clients can ask about reviews, and how they add one.

use chrono::{DateTime, Utc};
use shared::db::{DbError, Pool};

use super::model::{Author, NewReview, Review};
use super::store;

/// Reviews on a page.
const PAGE: i64 = 100;

/// Why there is no review.
#[derive(Debug, thiserror::Error)]
pub enum ReviewsError {
    /// No film has this key.
    #[error("there is no film {0}")]
    NoMovie(i32),
    /// Its author has one for this film already.
    #[error("the author has reviewed the film already")]
    Exists,
    /// The database lets this deployment read alone.
    #[error("this deployment may not write: {0}")]
    ReadOnly(DbError),
    /// The database.
    #[error(transparent)]
    Internal(#[from] DbError),
}

/// Reviews of one film, the newest first, and before which one the next page begins.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    pool: &Pool,
    movie_id: i32,
    before: Option<i64>,
    reader: Author<'_>,
) -> Result<(Vec<Review>, Option<i64>), DbError> {
    let mut conn = pool.acquire().await?;
    // One more than a page tells whether another follows.
    let mut reviews = store::list(&mut conn, movie_id, before.unwrap_or(i64::MAX), PAGE + 1, reader).await?;
    let page = usize::try_from(PAGE).unwrap_or_default();
    let has_more = reviews.len() > page;
    reviews.truncate(page);
    let next = reviews.last().filter(|_| has_more).map(|last| last.review_id);
    Ok((reviews, next))
}

/// Stores the one review that its author has for a film.
///
/// # Errors
/// [`ReviewsError`].
pub async fn create(
    pool: &Pool,
    review: &NewReview,
    author: Author<'_>,
    now: DateTime<Utc>,
) -> Result<Review, ReviewsError> {
    let mut conn = pool.acquire().await.map_err(DbError::from)?;
    store::insert(&mut conn, review, author, now).await.map_err(|error| match error.constraint() {
        Some("reviews_movie_id_fkey") => ReviewsError::NoMovie(review.movie_id),
        Some("reviews_author_key") => ReviewsError::Exists,
        _ if error.is_forbidden() => ReviewsError::ReadOnly(error),
        _ => error.into(),
    })
}
