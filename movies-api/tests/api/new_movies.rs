//! `GET /movies/new?year=&rating=&limit=&cursor=`.

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Answer, TestApp, insert_some};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn films_of_at_least_that_year_and_rating_come_newest_first(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/movies/new?year=2003&rating=8").await, @r#"
    200 OK
    cache-control: no-store
    content-length: 190
    content-type: application/json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    [{"movie_id":5,"title":"Up","released":2009,"rating":8.4},{"movie_id":4,"title":"Ratatouille","released":2007,"rating":8.0},{"movie_id":3,"title":"City of God","released":2003,"rating":8.8}]
    "#);
    assert_snapshot!(app.get("/movies/new?year=2003&rating=8.1").await.body, @r#"[{"movie_id":5,"title":"Up","released":2009,"rating":8.4},{"movie_id":3,"title":"City of God","released":2003,"rating":8.8}]"#);
    assert_snapshot!(app.get("/movies/new?year=2010&rating=0").await, @r"
    200 OK
    cache-control: no-store
    content-length: 2
    content-type: application/json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    []
    ");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_full_page_links_to_the_next(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let first = app.get("/movies/new?rating=8&year=2000&limit=2").await;
    assert_snapshot!(first, @r#"
    200 OK
    cache-control: no-store
    content-length: 124
    content-type: application/json
    link: </movies/new?year=2000&rating=8.0&limit=2&cursor=AQAAB9cAAAAAAAAABA>; rel="next"
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    [{"movie_id":5,"title":"Up","released":2009,"rating":8.4},{"movie_id":4,"title":"Ratatouille","released":2007,"rating":8.0}]
    "#);
    let last = app.get(&next(&first).unwrap()).await;
    assert_snapshot!(last, @r#"
    200 OK
    cache-control: no-store
    content-length: 67
    content-type: application/json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    [{"movie_id":3,"title":"City of God","released":2003,"rating":8.8}]
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_wrong_parameter_is_named_at_once(pool: PgPool) {
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/movies/new").await, @r#"
    422 Unprocessable Entity
    cache-control: no-store
    content-length: 183
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"year","message":"is missing"},{"field":"rating","message":"is missing"}]}
    "#);
    assert_snapshot!(app.get("/movies/new?year=new&rating=8.15&limit=0&cursor=x").await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"year","message":"must be a whole number"},{"field":"rating","message":"must have at most one decimal"},{"field":"limit","message":"must be between 1 and 1000"},{"field":"cursor","message":"is not a cursor of this service"}]}"#);
    assert_snapshot!(app.get("/movies/new?year=2000&year=2001&rating=8").await.body, @r#"{"title":"The request is malformed","status":400,"code":"request_malformed","detail":"The parameter year is there more than once."}"#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s13_odd_numbers_are_answered_and_never_fail(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    for rating in
        ["NaN", "nan", "inf", "-inf", "Infinity", "1e400", "1e0", "-0", "-1", "10", "8.15", "8,1", "", "8.0.0"]
    {
        let answer = app.get(&format!("/movies/new?year=1990&rating={rating}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed"),
            "{rating}"
        );
    }
    for year in ["99999999999", "-1", "10000", "2000.0", "1e3", "", "NaN", "9223372036854775808"] {
        let answer = app.get(&format!("/movies/new?year={year}&rating=1")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed"),
            "{year}"
        );
    }
    for query in ["limit=0", "limit=-1", "limit=1001", "limit=x", "limit=", "cursor=", "cursor=AQ", "cursor=%20"] {
        let answer = app.get(&format!("/movies/new?year=1990&rating=1&{query}")).await;
        assert_eq!(answer.code(), "validation_failed", "{query}");
    }
    for query in ["year=%ff&rating=1", "year=1990&rating=%00", "year=1990&rating=1&x=%", "year=1990&rating=1&rating=1"]
    {
        let answer = app.get(&format!("/movies/new?{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "request_malformed"), "{query}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_a_page_has_100_films_and_never_more_than_1000(pool: PgPool) {
    insert_many(&pool).await;
    let app = TestApp::new(pool);
    assert_eq!(titles(&app.get("/movies/new?year=0&rating=0").await).len(), 100);
    assert_eq!(titles(&app.get("/movies/new?year=0&rating=0&limit=1000").await).len(), 1000);
    assert_eq!(app.get("/movies/new?year=0&rating=0&limit=1001").await.code(), "validation_failed");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn pages_hold_every_film_once_and_in_order_also_within_a_year(pool: PgPool) {
    insert_many(&pool).await;
    let expected: Vec<String> = sqlx::query_scalar(
        "select title from myapi.movies where rating >= 2 and released >= 1990 order by released desc, movie_id desc",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let app = TestApp::new(pool);
    for limit in [1000, 250, 7] {
        let mut target = format!("/movies/new?year=1990&rating=2&limit={limit}");
        let mut found = Vec::new();
        loop {
            let page = app.get(&target).await;
            found.extend(titles(&page));
            let Some(next) = next(&page) else { break };
            target = next;
        }
        assert_eq!(found, expected, "limit {limit}");
    }
}

/// 3,000 films of 25 years, so that many share a year, and some without year or rating.
async fn insert_many(pool: &PgPool) {
    sqlx::query(
        "insert into myapi.movies (movie_id, title, released, rating)
         select n, 'film ' || n, nullif(1985 + n % 25, 1999), nullif((n * 7 % 100) / 10.0, 5)
         from generate_series(1, 3000) as n",
    )
    .execute(pool)
    .await
    .unwrap();
}

fn titles(page: &Answer) -> Vec<String> {
    let Value::Array(movies) = page.json() else { panic!("{page}") };
    movies.iter().map(|movie| movie["title"].as_str().unwrap().to_owned()).collect()
}

/// The target of `rel="next"`, which is relative to the service's origin.
fn next(page: &Answer) -> Option<String> {
    let link = page.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
}
