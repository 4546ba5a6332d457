//! Films are stored, changed and deleted one by one, under the conditions that a client sets.
//!
//! A film is locked while it is judged, so that of two writers who know the same version one wins and the other is told.

use shared::db::{Conn, DbError, Pool};

use super::MoviesError;
use crate::movies::model::{Changes, Film, Movie};
use crate::movies::store::{self, write};
use crate::movies::version::{Conditions, Verdict, Version};

/// How often a write is tried that another one got in the way of.
const TRIES: usize = 5;

/// What became of a film under a key that its client chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// There was none.
    Created(Movie),
    /// There was one, and it is this now.
    Replaced(Movie),
}

/// Stores a film under a key of the table's own counter. Each call makes another film.
///
/// # Errors
/// [`MoviesError::ReadOnly`] where this deployment may not write.
pub async fn create(pool: &Pool, film: &Film) -> Result<Movie, MoviesError> {
    let mut conn = pool.acquire().await.map_err(DbError::from)?;
    for _ in 0..TRIES {
        if let Some(movie) = write::insert(&mut conn, film).await.map_err(refusal)? {
            return Ok(movie);
        }
        // Films that chose their keys are ahead of the counter.
        store::staging::advance_key(&mut conn).await.map_err(refusal)?;
    }
    Err(MoviesError::Contended)
}

/// Stores `film` under `movie_id`, whether or not there is one: to do it twice is to do it once.
///
/// # Errors
/// [`MoviesError::Changed`] when the conditions do not hold, and as [`create`].
pub async fn put(pool: &Pool, movie_id: i32, film: &Film, conditions: &Conditions) -> Result<Put, MoviesError> {
    for _ in 0..TRIES {
        let mut transaction = pool.begin().await.map_err(DbError::from)?;
        let put = match write::find_for_update(&mut transaction, movie_id.into()).await.map_err(refusal)? {
            Some(known) => {
                require(conditions, Some(&known))?;
                Some(Put::Replaced(replace(&mut transaction, known, Film::clone(film).into()).await?))
            }
            None => {
                require(conditions, None)?;
                // Between the two statements somebody else may have stored one: then that one is judged.
                write::insert_as(&mut transaction, movie_id, film).await.map_err(refusal)?.map(Put::Created)
            }
        };
        if let Some(put) = put {
            transaction.commit().await.map_err(DbError::from)?;
            return Ok(put);
        }
    }
    Err(MoviesError::Contended)
}

/// Changes some fields of a film.
///
/// # Errors
/// [`MoviesError::NotFound`] when there is none, and as [`put`].
pub async fn change(
    pool: &Pool,
    movie_id: i64,
    changes: Changes,
    conditions: &Conditions,
) -> Result<Movie, MoviesError> {
    let mut transaction = pool.begin().await.map_err(DbError::from)?;
    let known = write::find_for_update(&mut transaction, movie_id).await.map_err(refusal)?;
    let known = known.ok_or(MoviesError::NotFound(movie_id))?;
    require(conditions, Some(&known))?;
    let changed = replace(&mut transaction, known, changes).await?;
    transaction.commit().await.map_err(DbError::from)?;
    Ok(changed)
}

/// Takes a film away.
///
/// # Errors
/// As [`change`].
pub async fn delete(pool: &Pool, movie_id: i64, conditions: &Conditions) -> Result<(), MoviesError> {
    let mut transaction = pool.begin().await.map_err(DbError::from)?;
    let known = write::find_for_update(&mut transaction, movie_id).await.map_err(refusal)?;
    let known = known.ok_or(MoviesError::NotFound(movie_id))?;
    require(conditions, Some(&known))?;
    write::delete(&mut transaction, movie_id).await.map_err(refusal)?;
    transaction.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// A film that is as it should be already is left alone: no new row for the same content.
async fn replace(conn: &mut Conn, known: Movie, changes: Changes) -> Result<Movie, MoviesError> {
    let Changes { title, released, rating } = changes;
    let wanted = Movie {
        movie_id: known.movie_id,
        title: title.or_else(|| known.title.clone()),
        released: released.or(known.released),
        rating: rating.or(known.rating),
    };
    if wanted == known {
        return Ok(known);
    }
    // It is locked, so it is there.
    write::update(conn, &wanted).await.map_err(refusal)?.ok_or(MoviesError::NotFound(wanted.movie_id))
}

impl From<Film> for Changes {
    fn from(Film { title, released, rating }: Film) -> Self {
        Self { title: Some(title), released: Some(released), rating: Some(rating) }
    }
}

fn require(conditions: &Conditions, current: Option<&Movie>) -> Result<(), MoviesError> {
    match conditions.judge(current.map(Version::of).as_ref()) {
        Verdict::Met => Ok(()),
        Verdict::Known | Verdict::Failed => Err(MoviesError::Changed),
    }
}

/// The role of a deployment that only reads may not write.
fn refusal(error: DbError) -> MoviesError {
    if error.is_forbidden() { MoviesError::ReadOnly(error) } else { error.into() }
}
