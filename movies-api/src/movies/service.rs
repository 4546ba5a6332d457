//! What clients can ask about films.

use rust_decimal::Decimal;
use shared::db::{DbError, Pool};

use super::cursor::Cursor;
use super::model::Movie;
use super::store;

/// Why a question about films has no answer.
#[derive(Debug, thiserror::Error)]
pub enum MoviesError {
    /// No film has this key.
    #[error("there is no film {0}")]
    NotFound(i64),
    /// The database.
    #[error(transparent)]
    Internal(#[from] DbError),
}

/// Which films a page of `/movies/new` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMovies {
    /// Released in this year or later.
    pub year: i32,
    /// Rated so or better.
    pub rating: Decimal,
    /// At most so many.
    pub limit: u16,
    /// Behind this place in the order; [`Cursor::START`] for the first page.
    pub after: Cursor,
}

/// Some films, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first; within a year by descending key.
    pub movies: Vec<Movie>,
    /// `None` on the last page.
    pub next: Option<Cursor>,
}

/// The film with this key.
///
/// # Errors
/// [`MoviesError::NotFound`] when there is none.
pub async fn get(pool: &Pool, movie_id: i64) -> Result<Movie, MoviesError> {
    let mut conn = pool.acquire().await.map_err(DbError::from)?;
    store::find(&mut conn, movie_id).await?.ok_or(MoviesError::NotFound(movie_id))
}

/// One page of films that are new and good enough.
///
/// # Errors
/// [`MoviesError::Internal`].
pub async fn list_new(pool: &Pool, wanted: NewMovies) -> Result<Page, MoviesError> {
    let NewMovies { year, rating, limit, after } = wanted;
    let mut conn = pool.acquire().await.map_err(DbError::from)?;
    // One more than asked for tells whether another page follows.
    let mut movies = store::list_new(&mut conn, year, rating, after, i64::from(limit) + 1).await?;
    let has_more = movies.len() > usize::from(limit);
    movies.truncate(limit.into());
    let next = movies.last().filter(|_| has_more).and_then(position);
    Ok(Page { movies, next })
}

fn position(movie: &Movie) -> Option<Cursor> {
    Some(Cursor { released: movie.released?, movie_id: movie.movie_id })
}
