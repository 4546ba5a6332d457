//! The list of films, whose statement depends on what is asked for.

use rust_decimal::Decimal;
use shared::db::{Conn, DbError};
use sqlx::{Postgres, QueryBuilder};

use crate::movies::listing::{Filter, Listed, Listing, Place, Sort, SortKey, Value};
use crate::movies::model::Movie;

#[derive(sqlx::FromRow)]
struct Row {
    movie_id: i64,
    title: Option<String>,
    released: Option<i32>,
    rating: Option<Decimal>,
    title_place: Option<String>,
}

/// Films of which the value sorted by is known, behind `after`, at most `limit`.
pub(in crate::movies) async fn list_known(
    conn: &mut Conn,
    wanted: &Listing,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    let Listing { filter, sort, .. } = wanted;
    let mut query = select(filter);
    query.push(match sort.key {
        SortKey::MovieId => "",
        SortKey::Title => " and title is not null",
        SortKey::Released => " and released is not null",
        SortKey::Rating => " and rating is not null",
    });
    if let Some(Place { value: Some(value), movie_id }) = after {
        let beyond = if sort.is_descending { " < " } else { " > " };
        let key = column(sort.key);
        match value {
            Value::None => query.push(format!(" and movies.movie_id{beyond}")),
            _ => query.push(format!(" and ({key}, movies.movie_id){beyond}(")),
        };
        match value {
            Value::None => {}
            Value::Title(title) => drop(query.push_bind(title.clone()).push(", ")),
            Value::Released(year) => drop(query.push_bind(*year).push(", ")),
            Value::Rating(rating) => drop(query.push_bind(*rating).push(", ")),
        }
        query.push_bind(*movie_id).push(if *value == Value::None { "" } else { ")" });
    }
    fetch(conn, query, *sort, limit).await
}

/// Films of which the value sorted by is not known, with keys behind `after`, at most `limit`.
pub(in crate::movies) async fn list_unknown(
    conn: &mut Conn,
    wanted: &Listing,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    let Listing { filter, sort, .. } = wanted;
    let mut query = select(filter);
    query.push(match sort.key {
        SortKey::MovieId => " and false",
        SortKey::Title => " and lower(left(title, 100)) collate \"C\" is null",
        SortKey::Released => " and released is null",
        SortKey::Rating => " and rating is null",
    });
    if let Some(movie_id) = after {
        query.push(if sort.is_descending { " and movies.movie_id < " } else { " and movies.movie_id > " });
        query.push_bind(movie_id);
    }
    fetch(conn, query, *sort, limit).await
}

fn select(filter: &Filter) -> QueryBuilder<Postgres> {
    let Filter { title, year_min, year_max, rating_min, rating_max } = filter;
    let mut query = QueryBuilder::new(
        "select movie_id::bigint as movie_id, title, released, rating, lower(left(title, 100)) as title_place
         from myapi.movies
         where true",
    );
    if let Some(title) = title {
        query.push(" and array_to_tsvector(myapi.title_words(title)) @@ myapi.title_query(");
        query.push_bind(title.clone()).push(")");
    }
    let years = [(" and released >= ", year_min), (" and released <= ", year_max)];
    for (condition, year) in years.into_iter().filter_map(|(condition, year)| Some((condition, (*year)?))) {
        query.push(condition).push_bind(year);
    }
    let ratings = [(" and rating >= ", rating_min), (" and rating <= ", rating_max)];
    for (condition, rating) in ratings.into_iter().filter_map(|(condition, rating)| Some((condition, (*rating)?))) {
        query.push(condition).push_bind(rating);
    }
    query
}

/// As the indexes have it.
const fn column(key: SortKey) -> &'static str {
    match key {
        SortKey::MovieId => "movies.movie_id",
        SortKey::Title => "lower(left(title, 100)) collate \"C\"",
        SortKey::Released => "released",
        SortKey::Rating => "rating",
    }
}

async fn fetch(
    conn: &mut Conn,
    mut query: QueryBuilder<Postgres>,
    sort: Sort,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    let direction = if sort.is_descending { "desc" } else { "asc" };
    match sort.key {
        SortKey::MovieId => query.push(format!(" order by movies.movie_id {direction}")),
        SortKey::Title | SortKey::Released | SortKey::Rating => {
            let key = column(sort.key);
            query.push(format!(" order by {key} {direction}, movies.movie_id {direction}"))
        }
    };
    query.push(" limit ").push_bind(limit);
    // Not a named statement: which index serves depends on the values, so each is planned with its own.
    let rows: Vec<Row> = query.build_query_as().persistent(false).fetch_all(conn).await?;
    let listed = rows.into_iter().map(|Row { movie_id, title, released, rating, title_place }| Listed {
        movie: Movie { movie_id, title, released, rating },
        title_place,
    });
    Ok(listed.collect())
}
