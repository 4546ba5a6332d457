//! `GET /movies/?movie_id=`, `GET /movies?movie_id=`, `GET /movies/{movie_id}`.

use http::{Method, StatusCode};
use insta::assert_snapshot;
use sqlx::PgPool;

use crate::support::{TestApp, insert_some};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_film_is_the_same_by_each_of_its_addresses(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let answer = app.get("/movies/?movie_id=1").await;
    assert_snapshot!(answer, @r#"
    200 OK
    cache-control: no-store
    content-length: 68
    content-type: application/json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"movie_id":1,"title":"The Land Girls","released":1998,"rating":6.1}
    "#);
    for target in ["/movies?movie_id=1", "/movies/?movie_id=%31&unknown=1&unknown=2"] {
        assert_eq!(app.get(target).await.to_string(), answer.to_string(), "{target}");
    }
    // By its own address it has a version, and its client may keep it.
    let by_path = app.get("/movies/1").await;
    assert_snapshot!(by_path, @r#""#);
    assert_eq!(by_path.body, answer.body);
    assert_eq!(app.get("/movies/%31?movie_id=2").await.to_string(), by_path.to_string());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_whole_rating_keeps_its_decimal_and_unknowns_are_null(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/movies/4").await.body, @r#"{"movie_id":4,"title":"Ratatouille","released":2007,"rating":8.0}"#);
    assert_snapshot!(app.get("/movies/6").await.body, @r#"{"movie_id":6,"title":null,"released":null,"rating":null}"#);
    assert_snapshot!(app.get("/movies/2").await.body, @r#"{"movie_id":2,"title":"Alien³","released":1992,"rating":6.3}"#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn head_answers_as_get_does_without_a_body(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let bearer = format!("Bearer {}", app.token().mint());
    for target in ["/movies/1", "/movies/999999", "/movies/x"] {
        let get = app.get(target).await;
        let head = app.ask(Method::HEAD, target, Some(&bearer)).await;
        assert_eq!(head.status, get.status);
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.body, "");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s12_odd_ids_are_answered_and_never_fail(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let cases = [
        ("-1", "movie_not_found"),
        ("0", "movie_not_found"),
        ("2147483648", "movie_not_found"),
        ("9223372036854775807", "movie_not_found"),
        ("9223372036854775808", "validation_failed"),
        ("-9223372036854775809", "validation_failed"),
        ("1e3", "validation_failed"),
        ("1.0", "validation_failed"),
        ("%2B1", "validation_failed"),
        ("0x1", "validation_failed"),
        ("-", "validation_failed"),
        ("1;--", "validation_failed"),
        ("%D9%A1", "validation_failed"),
        ("%20", "validation_failed"),
        ("%00", "request_malformed"),
        ("1%00", "request_malformed"),
        ("%ff", "request_malformed"),
        ("%", "request_malformed"),
        ("%zz", "request_malformed"),
    ];
    for (id, code) in cases {
        for target in [format!("/movies/?movie_id={id}"), format!("/movies/{id}")] {
            let answer = app.get(&target).await;
            assert_eq!(answer.code(), code, "{target}");
            let status = match code {
                "movie_not_found" => StatusCode::NOT_FOUND,
                "validation_failed" => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::BAD_REQUEST,
            };
            assert_eq!(answer.status, status, "{target}");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s12_missing_empty_and_repeated_ids_are_told_apart(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/movies/").await, @r#"
    422 Unprocessable Entity
    cache-control: no-store
    content-length: 145
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"movie_id","message":"is missing"}]}
    "#);
    assert_snapshot!(app.get("/movies/?movie_id=").await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"movie_id","message":"is empty"}]}"#);
    assert_snapshot!(app.get("/movies/?movie_id=x").await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"movie_id","message":"must be a whole number"}]}"#);
    assert_snapshot!(app.get("/movies/?movie_id=1&movie_id=1").await, @r#"
    400 Bad Request
    cache-control: no-store
    content-length: 135
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"The request is malformed","status":400,"code":"request_malformed","detail":"The parameter movie_id is there more than once."}
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s14_a_missing_film_is_not_found(pool: PgPool) {
    let app = TestApp::new(pool);
    let answer = app.get("/movies/?movie_id=999999").await;
    assert_snapshot!(answer, @r#"
    404 Not Found
    cache-control: no-store
    content-length: 111
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"There is no such movie","status":404,"code":"movie_not_found","detail":"No movie has the id 999999."}
    "#);
    assert_eq!(app.get("/movies/999999").await.to_string(), answer.to_string());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s18_probes_of_sql_injection_find_nothing(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool.clone());
    let probes = [
        "1%27",
        "1%20or%201=1",
        "1%27%20or%20%271%27=%271",
        "1;select%20pg_sleep(5)--",
        "1%20union%20select%201,2,3,4",
        "1)%20or%20(1=1",
        "1%27||pg_sleep(5)--",
        "1%22",
        "1%5C",
        "(select%201)",
        "1/**/or/**/1=1",
        "$1",
        "%24%7B1%7D",
    ];
    for probe in probes {
        for target in [
            format!("/movies/?movie_id={probe}"),
            format!("/movies/new?year={probe}&rating=1"),
            format!("/movies/new?year=1&rating={probe}"),
            format!("/movies/new?year=1&rating=1&limit={probe}"),
            format!("/movies/new?year=1&rating=1&cursor={probe}"),
        ] {
            let started = std::time::Instant::now();
            let answer = app.get(&target).await;
            assert_eq!(answer.code(), "validation_failed", "{target}");
            // A sanity bound, five times what the checklist asks.
            assert!(started.elapsed().as_millis() < 1500, "{target}");
        }
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from myapi.movies").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 6);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_key_of_another_integer_type_is_read_alike(pool: PgPool) {
    sqlx::query("alter table myapi.movies alter column movie_id type bigint").execute(&pool).await.unwrap();
    insert_some(&pool).await;
    sqlx::query("update myapi.movies set movie_id = 3000000000 where movie_id = 3").execute(&pool).await.unwrap();
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/movies/3000000000").await.body, @r#"{"movie_id":3000000000,"title":"City of God","released":2003,"rating":8.8}"#);
    assert_snapshot!(app.get("/movies/new?year=2003&rating=8.8").await.body, @r#"[{"movie_id":3000000000,"title":"City of God","released":2003,"rating":8.8}]"#);
}
