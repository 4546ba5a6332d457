//! What clients can ask about films, and do to them (`write`).

pub mod write;

use rust_decimal::Decimal;
use shared::db::{DbError, Relay};

use super::cursor::Cursor;
use super::listing::{Listed, Listing, Place};
use super::model::{Movie, YearStats};
use super::store::{self, list};

/// Why a question about films has no answer.
#[derive(Debug, thiserror::Error)]
pub enum MoviesError {
    /// No film has this key.
    #[error("there is no film {0}")]
    NotFound(i64),
    /// The film is not, or not any more, what the client's conditions ask for.
    #[error("the film is not what the conditions ask for")]
    Changed,
    /// So many others write the same at this moment that giving up is kinder.
    #[error("others write the same film again and again")]
    Contended,
    /// The database lets this deployment read alone.
    #[error("this deployment may not write: {0}")]
    ReadOnly(DbError),
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
pub async fn get(relay: &Relay, movie_id: i64) -> Result<Movie, MoviesError> {
    let mut conn = relay.acquire().await?;
    let movie = store::find(&mut conn, movie_id).await?;
    conn.hand_on();
    movie.ok_or(MoviesError::NotFound(movie_id))
}

/// One page of films that are new and good enough.
///
/// # Errors
/// [`MoviesError::Internal`].
pub async fn list_new(relay: &Relay, wanted: NewMovies) -> Result<Page, MoviesError> {
    let NewMovies { year, rating, limit, after } = wanted;
    let mut conn = relay.acquire().await?;
    // One more than asked for tells whether another page follows.
    let mut movies = store::list_new(&mut conn, year, rating, after, i64::from(limit) + 1).await?;
    conn.hand_on();
    let has_more = movies.len() > usize::from(limit);
    movies.truncate(limit.into());
    let next = movies.last().filter(|_| has_more).and_then(position);
    Ok(Page { movies, next })
}

fn position(movie: &Movie) -> Option<Cursor> {
    Some(Cursor { released: movie.released?, movie_id: movie.movie_id })
}

/// One page of the list of films.
///
/// # Errors
/// [`MoviesError::Internal`].
pub async fn list(relay: &Relay, wanted: &Listing) -> Result<ListPage, MoviesError> {
    let mut conn = relay.acquire().await?;
    // One more than asked for tells whether another page follows.
    let most = usize::from(wanted.limit) + 1;
    let (known_after, unknown_after) = match &wanted.after {
        Some(Place { value: None, movie_id }) => (None, Some(*movie_id)),
        after => (after.as_ref(), None),
    };
    let mut listed = match unknown_after {
        Some(_) => Vec::new(),
        None => list::list_known(&mut conn, wanted, known_after, i64::from(wanted.limit) + 1).await?,
    };
    let missing = i64::try_from(most.saturating_sub(listed.len())).unwrap_or_default();
    if missing > 0 && wanted.has_unknowns() {
        listed.extend(list::list_unknown(&mut conn, wanted, unknown_after, missing).await?);
    }
    conn.hand_on();
    let has_more = listed.len() == most;
    listed.truncate(wanted.limit.into());
    let next = listed.last().filter(|_| has_more).map(|last| last.place(wanted.sort));
    Ok(ListPage { movies: listed.into_iter().map(|Listed { movie, .. }| movie).collect(), next })
}

/// Some films of the list, and behind which place the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// In the order that was asked for.
    pub movies: Vec<Movie>,
    /// `None` on the last page.
    pub next: Option<Place>,
}

/// How many films each year has, and how they are rated.
///
/// # Errors
/// [`MoviesError::Internal`].
pub async fn stats(relay: &Relay, year_min: Option<i32>, year_max: Option<i32>) -> Result<Vec<YearStats>, MoviesError> {
    let mut conn = relay.acquire().await?;
    let years = store::stats(&mut conn, year_min, year_max).await?;
    conn.hand_on();
    Ok(years)
}
