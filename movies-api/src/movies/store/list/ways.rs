//! The statements, one for each way.

use rust_decimal::Decimal;
use shared::db::{Conn, DbError};
use sqlx::{Postgres, QueryBuilder};

use super::clauses::{
    COLUMNS, column, push_order, push_order_apart, push_order_named, push_own, push_part, push_range, push_rest,
    push_rest_at_hand,
};
use super::{By, Estimate, Part};
use crate::movies::listing::{Listed, Listing, SortKey};
use crate::movies::model::Movie;

#[derive(sqlx::FromRow)]
struct Row {
    movie_id: i64,
    title: Option<String>,
    released: Option<i32>,
    rating: Option<Decimal>,
    title_place: Option<String>,
}

/// An index is read in its order.
pub(super) async fn ordered(
    conn: &mut Conn,
    wanted: &Listing,
    part: Part<'_>,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from myapi.movies where true"));
    push_own(&mut query, wanted);
    push_part(&mut query, wanted.sort, part);
    push_order(&mut query, wanted.sort, limit);
    fetch(conn, query, is_named(wanted)).await
}

/// Those that fit among the next `stretch` films in the order; fewer than `limit` when others may follow behind them.
pub(super) async fn near(
    conn: &mut Conn,
    wanted: &Listing,
    part: Part<'_>,
    (limit, stretch): (i64, i64),
) -> Result<Vec<Listed>, DbError> {
    let place = column(SortKey::Title);
    let mut query = QueryBuilder::new(format!(
        "select {COLUMNS} from (select movie_id, title, released, rating, {place} as place from myapi.movies where true"
    ));
    push_own(&mut query, wanted);
    push_part(&mut query, wanted.sort, part);
    push_order(&mut query, wanted.sort, stretch);
    query.push(") as movies where true");
    push_rest_at_hand(&mut query, wanted);
    push_order_named(&mut query, wanted.sort, limit);
    fetch(conn, query, is_named(wanted)).await
}

/// Of each year (rating) that there is its first films, the first of all of them.
pub(super) async fn merged(
    conn: &mut Conn,
    wanted: &Listing,
    part: Part<'_>,
    (limit, by): (i64, By),
) -> Result<Vec<Listed>, DbError> {
    let (value, key) = (by.column(), column(wanted.sort.key));
    // What the index of each order has, so that it is read alone.
    let columns = if wanted.sort.key == SortKey::MovieId { "movie_id".to_owned() } else { format!("movie_id, {key}") };
    let mut query = QueryBuilder::new(format!(
        "with recursive steps (value) as (
             (select {value} from myapi.movies where {value} is not null"
    ));
    push_range(&mut query, by, &wanted.filter);
    query.push(format!(
        " order by {value} limit 1)
             union all
             select (select {value} from myapi.movies where {value} > steps.value"
    ));
    push_range(&mut query, by, &wanted.filter);
    query.push(format!(
        " order by {value} limit 1) from steps where steps.value is not null
         )
         select {COLUMNS} from myapi.movies where movie_id in (
             select movies.movie_id
             from steps
             cross join lateral (
                 select {columns} from myapi.movies where {value} = steps.value"
    ));
    push_own(&mut query, wanted);
    push_part(&mut query, wanted.sort, part);
    push_order(&mut query, wanted.sort, limit);
    query.push(") as movies where steps.value is not null");
    push_order(&mut query, wanted.sort, limit);
    query.push(")");
    push_order_apart(&mut query, wanted.sort, limit);
    fetch(conn, query, is_named(wanted)).await
}

/// All films that fit are found by what they are filtered by, and sorted.
pub(super) async fn gathered(
    conn: &mut Conn,
    wanted: &Listing,
    part: Part<'_>,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from myapi.movies where true"));
    push_own(&mut query, wanted);
    push_part(&mut query, wanted.sort, part);
    push_rest(&mut query, wanted);
    push_order_apart(&mut query, wanted.sort, limit);
    // Which index serves depends on the values.
    fetch(conn, query, false).await
}

/// How many films the filter leaves, by the statistics that the planner has.
pub(super) async fn estimate(conn: &mut Conn, wanted: &Listing) -> Result<Estimate, DbError> {
    let mut query = QueryBuilder::new("explain (format json) select from myapi.movies where true");
    push_rest(&mut query, wanted);
    let plan: serde_json::Value = query.build_query_scalar().persistent(false).fetch_one(&mut *conn).await?;
    let matches = plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_f64).unwrap_or_default();
    let movies = sqlx::query_scalar!(
        r#"select greatest(reltuples, 0)::float8 as "movies!" from pg_class where oid = 'myapi.movies'::regclass"#
    )
    .fetch_one(conn)
    .await?;
    Ok(Estimate { matches, movies })
}

/// The same by a look at some `rows` of the table's `movies`, always the same pages of it, so that they stay in memory.
pub(super) async fn sample(conn: &mut Conn, wanted: &Listing, (rows, movies): (f64, f64)) -> Result<Estimate, DbError> {
    let mut query = QueryBuilder::new("select count(*) filter (where true");
    push_rest_at_hand(&mut query, wanted);
    let percent = (100.0 * rows / movies).min(100.0);
    query.push(format!(")::float8, count(*)::float8 from myapi.movies tablesample system ({percent}) repeatable (0)"));
    let (found, seen): (f64, f64) = query.build_query_as().persistent(false).fetch_one(conn).await?;
    Ok(Estimate { matches: movies * found / seen.max(1.0), movies })
}

/// Whether one plan serves all values. What is searched for has to be known to the planner: else it would be taken apart
/// again for each title.
const fn is_named(wanted: &Listing) -> bool {
    wanted.filter.title.is_none()
}

async fn fetch(conn: &mut Conn, mut query: QueryBuilder<Postgres>, is_named: bool) -> Result<Vec<Listed>, DbError> {
    let rows: Vec<Row> = query.build_query_as().persistent(is_named).fetch_all(conn).await?;
    let listed = rows.into_iter().map(|Row { movie_id, title, released, rating, title_place }| Listed {
        movie: Movie { movie_id, title, released, rating },
        title_place,
    });
    Ok(listed.collect())
}
