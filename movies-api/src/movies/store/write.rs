//! Single films: stored, changed, deleted.

use shared::db::{Conn, DbError};

use crate::movies::model::{Film, Movie};

/// The film with this key, which nobody else may change before the transaction ends.
pub(in crate::movies) async fn find_for_update(conn: &mut Conn, movie_id: i64) -> Result<Option<Movie>, DbError> {
    let movie = sqlx::query_as!(
        Movie,
        r#"
        select movie_id::bigint as "movie_id!", title, released, rating
        from myapi.movies
        where movie_id = $1::bigint
        for update
        "#,
        movie_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(movie)
}

/// Stores a film under the next key of the table's own counter; `None` when a film that chose its key has it already.
pub(in crate::movies) async fn insert(conn: &mut Conn, film: &Film) -> Result<Option<Movie>, DbError> {
    let movie = sqlx::query_as!(
        Movie,
        r#"
        insert into myapi.movies (title, released, rating)
        values ($1, $2, $3)
        on conflict (movie_id) do nothing
        returning movie_id::bigint as "movie_id!", title, released, rating
        "#,
        film.title,
        film.released,
        film.rating
    )
    .fetch_optional(conn)
    .await?;
    Ok(movie)
}

/// Stores a film under this key; `None` when there is one.
pub(in crate::movies) async fn insert_as(
    conn: &mut Conn,
    movie_id: i32,
    film: &Film,
) -> Result<Option<Movie>, DbError> {
    let movie = sqlx::query_as!(
        Movie,
        r#"
        insert into myapi.movies (movie_id, title, released, rating)
        values ($1, $2, $3, $4)
        on conflict (movie_id) do nothing
        returning movie_id::bigint as "movie_id!", title, released, rating
        "#,
        movie_id,
        film.title,
        film.released,
        film.rating
    )
    .fetch_optional(conn)
    .await?;
    Ok(movie)
}

/// Writes what a film is now; its key stays.
pub(in crate::movies) async fn update(conn: &mut Conn, movie: &Movie) -> Result<Option<Movie>, DbError> {
    let movie = sqlx::query_as!(
        Movie,
        r#"
        update myapi.movies
        set title = $2, released = $3, rating = $4
        where movie_id = $1::bigint
        returning movie_id::bigint as "movie_id!", title, released, rating
        "#,
        movie.movie_id,
        movie.title,
        movie.released,
        movie.rating
    )
    .fetch_optional(conn)
    .await?;
    Ok(movie)
}

/// Takes the film away and tells whether it was there.
pub(in crate::movies) async fn delete(conn: &mut Conn, movie_id: i64) -> Result<bool, DbError> {
    let deleted = sqlx::query!("delete from myapi.movies where movie_id = $1::bigint", movie_id).execute(conn).await?;
    Ok(deleted.rows_affected() > 0)
}
