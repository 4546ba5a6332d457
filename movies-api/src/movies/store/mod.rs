//! SQL over `myapi.movies`. Bulk loading is in [`staging`], the list in [`list`], changes of single films in [`write`].
//!
//! A table adopted from the old application may have another integer type as its key: it is cast where it is read.

pub(super) mod list;
pub(super) mod staging;
pub(super) mod write;

use shared::db::{Conn, DbError};
use sqlx::{Connection as _, Postgres, Transaction};

use super::model::{Movie, YearStats};

/// The film with this key.
pub(super) async fn find(conn: &mut Conn, movie_id: i64) -> Result<Option<Movie>, DbError> {
    let movie = sqlx::query_as!(
        Movie,
        r#"
        select movie_id::bigint as "movie_id!", title, released, rating
        from myapi.movies
        where movie_id = $1::bigint
        "#,
        movie_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(movie)
}

/// Begins a transaction whose statements all see the table as it was at the first of them.
pub(super) async fn begin_snapshot(conn: &mut Conn) -> Result<Transaction<'_, Postgres>, DbError> {
    Ok(conn.begin_with("begin isolation level repeatable read, read only").await?)
}

/// Films with keys above `after`, by key, at most `limit`. An `or` in its place would read the table from its beginning for
/// each page, once the statement's plan is the same for all of them.
pub(super) async fn list_all(conn: &mut Conn, after: Option<i64>, limit: i64) -> Result<Vec<Movie>, DbError> {
    let movies = sqlx::query_as!(
        Movie,
        r#"
        select movie_id::bigint as "movie_id!", title, released, rating
        from myapi.movies
        where movie_id > coalesce($1::bigint, -9223372036854775808)
        order by movies.movie_id
        limit $2
        "#,
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(movies)
}

/// Films by year of release within these bounds, from a function of the database: as a table that is asked.
pub(super) async fn stats(
    conn: &mut Conn,
    year_min: Option<i32>,
    year_max: Option<i32>,
) -> Result<Vec<YearStats>, DbError> {
    let stats = sqlx::query_as!(
        YearStats,
        r#"
        select released as "released!", movies as "movies!", rated as "rated!",
               lowest_rating, mean_rating, highest_rating
        from myapi.movie_stats($1, $2)
        "#,
        year_min,
        year_max
    )
    .fetch_all(conn)
    .await?;
    Ok(stats)
}
