//! `POST /movies`, `PUT`, `PATCH` and `DELETE /movies/{movie_id}`, and conditions on them.

use http::{Method, StatusCode};
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Answer, TestApp, insert_some};

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");
pub(crate) const UP: &str = r#"{"title":"Up","released":2009,"rating":8.4}"#;

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_new_film_gets_a_key_and_its_address(pool: PgPool) {
    let app = TestApp::new(pool);
    let created = app.write(Method::POST, "/movies", &[JSON], UP).await;
    assert_snapshot!(created, @r#"
    201 Created
    cache-control: no-store
    content-length: 56
    content-type: application/json
    etag: "D8hKAlcJLHB0uZV_DtrG5Q"
    location: /movies/1
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"movie_id":1,"title":"Up","released":2009,"rating":8.4}
    "#);
    assert_eq!(app.get(created.header("location")).await.body, created.body);
    // Not idempotent: each request makes another one.
    assert_eq!(app.write(Method::POST, "/movies", &[JSON], UP).await.json()["movie_id"], 2);
    let whole = r#" {"rating":8,"released":1000,"title":"\u00c4 \"b\"\n"} "#;
    let charset = ("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(
        app.write(Method::POST, "/movies", &[charset], whole).await.json(),
        json!({ "movie_id": 3, "title": "Ä \"b\"\n", "released": 1000, "rating": 8.0 })
    );
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_new_film_finds_a_free_key_behind_chosen_ones(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool.clone());
    assert_eq!(app.write(Method::POST, "/movies", &[JSON], UP).await.json()["movie_id"], 7);
    assert_eq!(app.write(Method::PUT, "/movies/8", &[JSON], UP).await.status, StatusCode::CREATED);
    let ids = futures(&app, 8, Method::POST, "/movies", &[JSON]).await;
    let ids: std::collections::BTreeSet<i64> =
        ids.iter().map(|answer| answer.json()["movie_id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 8, "each its own");
    let kept: i64 = sqlx::query_scalar("select count(*) from myapi.movies").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 16);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_wrong_member_is_named_at_once(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], "{}").await, @r#"
    422 Unprocessable Entity
    cache-control: no-store
    content-length: 228
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"title","message":"is missing"},{"field":"released","message":"is missing"},{"field":"rating","message":"is missing"}]}
    "#);
    let wrong = r#"{"movie_id":7,"title":" ","released":"2009","rating":8.15,"relased":2009}"#;
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], wrong).await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"movie_id","message":"is not a member of a movie"},{"field":"relased","message":"is not a member of a movie"},{"field":"title","message":"is empty"},{"field":"released","message":"must be a whole number"},{"field":"rating","message":"must have at most one decimal"}]}"#);
    assert_snapshot!(app.write(Method::PUT, "/movies/1", &[JSON], wrong).await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"relased","message":"is not a member of a movie"},{"field":"movie_id","message":"must be the movie_id of the address"},{"field":"title","message":"is empty"},{"field":"released","message":"must be a whole number"},{"field":"rating","message":"must have at most one decimal"}]}"#);
    let patch = r#"{"movie_id":1,"title":null,"released":46,"rating":"8"}"#;
    assert_snapshot!(app.write(Method::PATCH, "/movies/1", &[MERGE], patch).await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"movie_id","message":"is not a member of a movie"},{"field":"title","message":"must have a value"},{"field":"released","message":"must be between 1000 and 9999"},{"field":"rating","message":"must be a number such as 7 or 8.1"}]}"#);
    assert_eq!(app.get("/movies/1").await.json()["rating"], 6.1, "nothing was written");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s12_s13_odd_bodies_are_answered_and_never_fail(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let long = format!(r#"{{"title":"{}","released":2009,"rating":8.4}}"#, "x".repeat(1001));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ("\"x\"", 400),
        (r#"{"title":"Up","released":2009,"rating":8.4} x"#, 400),
        (r#"{"title":"Up","title":"Down","released":2009,"rating":8.4}"#, 400),
        (r#"{"title":"\ud800","released":2009,"rating":8.4}"#, 422),
        (r#"{"title":"a\u0000b","released":2009,"rating":8.4}"#, 422),
        (r#"{"title":["Up"],"released":2009,"rating":8.4}"#, 422),
        (r#"{"title":"Up","released":2009.0,"rating":8.4}"#, 422),
        (r#"{"title":"Up","released":1e3,"rating":8.4}"#, 422),
        (r#"{"title":"Up","released":99999999999999999999,"rating":8.4}"#, 422),
        (r#"{"title":"Up","released":2009,"rating":1e400}"#, 422),
        (r#"{"title":"Up","released":2009,"rating":-0}"#, 422),
        (r#"{"title":"Up","released":2009,"rating":NaN}"#, 400),
        (r#"{"title":"Up","released":2009,"rating":{"a":1}}"#, 422),
        (long.as_str(), 422),
    ] {
        for (method, target) in [(Method::POST, "/movies"), (Method::PUT, "/movies/1")] {
            let answer = app.write(method.clone(), target, &[JSON], body).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {body}: {answer}");
            let code = if status == 400 { "request_malformed" } else { "validation_failed" };
            assert_eq!(answer.code(), code, "{method} {body}");
        }
    }
    for id in ["-1", "2147483648", "9223372036854775808", "1e3", "x", "1;--", "%20"] {
        let answer = app.write(Method::PUT, &format!("/movies/{id}"), &[JSON], UP).await;
        assert_eq!(answer.code(), "validation_failed", "{id}");
    }
    for (method, headers, body) in [(Method::PATCH, [MERGE], "{}"), (Method::DELETE, [JSON], "")] {
        assert_eq!(app.write(method.clone(), "/movies/2147483648", &headers, body).await.code(), "movie_not_found");
        assert_eq!(app.write(method.clone(), "/movies/-1", &headers, body).await.code(), "movie_not_found");
        assert_eq!(app.write(method, "/movies/%00", &headers, body).await.code(), "request_malformed");
    }
    assert_eq!(app.write(Method::PUT, "/movies/0", &[JSON], UP).await.status, StatusCode::CREATED);
    assert_eq!(app.write(Method::PUT, "/movies/2147483647", &[JSON], UP).await.status, StatusCode::CREATED);
}

/// Nor does the last key of all end what the database can number.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_database_finds_a_free_key_whatever_keys_clients_chose(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let create = async || app.write(Method::POST, "/movies", &[JSON], UP).await;
    let key = |answer: &Answer| answer.json()["movie_id"].as_i64().unwrap();
    let first = key(&create().await);
    for taken in [i64::from(i32::MAX), first + 1, first + 2, first + 4] {
        let put = app.write(Method::PUT, &format!("/movies/{taken}"), &[JSON], UP).await;
        assert_eq!(put.status, StatusCode::CREATED, "{put}");
    }
    let mut keys = Vec::new();
    for _ in 0..3 {
        let created = create().await;
        assert_eq!(created.status, StatusCode::CREATED, "{created}");
        keys.push(key(&created));
    }
    assert_eq!(keys, [first + 5, first + 6, first + 7]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_body_of_another_type_or_size_is_refused(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.write(Method::POST, "/movies", &[], UP).await, @r#"
    415 Unsupported Media Type
    cache-control: no-store
    content-length: 174
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"The body is of a type that this does not take","status":415,"code":"media_type_unsupported","detail":"The body must be application/json, without Content-Encoding."}
    "#);
    for headers in [
        &[("content-type", "text/plain")][..],
        &[MERGE],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[JSON, ("content-encoding", "gzip")],
        &[JSON, JSON],
    ] {
        for (method, target) in [(Method::POST, "/movies"), (Method::PUT, "/movies/1")] {
            let answer = app.write(method, target, headers, UP).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (415, "media_type_unsupported"),
                "{headers:?}"
            );
        }
    }
    let patch = app.write(Method::PATCH, "/movies/1", &[JSON], "{}").await;
    assert_eq!((patch.code().as_str(), patch.header("accept-patch")), ("media_type_unsupported", MERGE.1));
    let huge = format!(r#"{{"title":"{}"}}"#, "x".repeat(70_000));
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], &huge).await, @r#"
    413 Payload Too Large
    cache-control: no-store
    content-length: 112
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"The body is too long","status":413,"code":"body_too_large","detail":"A body has 65536 bytes at most."}
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_film_is_put_once_or_twice_with_the_same_end(pool: PgPool) {
    let app = TestApp::new(pool);
    let created = app.write(Method::PUT, "/movies/7", &[JSON], UP).await;
    assert_eq!((created.status, created.header("location")), (StatusCode::CREATED, "/movies/7"));
    let again = app.write(Method::PUT, "/movies/7", &[JSON], UP).await;
    assert_snapshot!(again, @r#"
    200 OK
    cache-control: no-store
    content-length: 56
    content-location: /movies/7
    content-type: application/json
    etag: "x1A6aZhfnyrfbgMMvjl4CQ"
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"movie_id":7,"title":"Up","released":2009,"rating":8.4}
    "#);
    assert_eq!((again.header("etag"), &again.body), (created.header("etag"), &created.body));
    // What a GET gave can be put as it is.
    let film = app.get("/movies/7").await;
    assert_eq!(app.write(Method::PUT, "/movies/7", &[JSON], &film.body).await.to_string(), again.to_string());
    let other = app.write(Method::PUT, "/movies/7", &[JSON], r#"{"title":"Up!","released":2009,"rating":8.4}"#).await;
    assert_ne!(other.header("etag"), film.header("etag"));
    assert_eq!(app.get("/movies/7").await.json()["title"], "Up!");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_patch_changes_what_it_names(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let before = app.get("/movies/1").await;
    assert_snapshot!(app.write(Method::PATCH, "/movies/1", &[MERGE], r#"{"rating":6.5}"#).await, @r#"
    200 OK
    cache-control: no-store
    content-length: 68
    content-location: /movies/1
    content-type: application/json
    etag: "CT5SBepH7T1gBvzYyP_Erg"
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"movie_id":1,"title":"The Land Girls","released":1998,"rating":6.5}
    "#);
    let same = app.write(Method::PATCH, "/movies/1", &[MERGE], r#"{"rating":6.1}"#).await;
    assert_eq!((same.header("etag"), &same.body), (before.header("etag"), &before.body), "as it was");
    assert_eq!(app.write(Method::PATCH, "/movies/1", &[MERGE], "{}").await.body, before.body);
    // An adopted film keeps what it does not know.
    let adopted = app.write(Method::PATCH, "/movies/6", &[MERGE], r#"{"released":2001}"#).await;
    assert_eq!(adopted.json(), json!({ "movie_id": 6, "title": null, "released": 2001, "rating": null }));
    assert_eq!(app.write(Method::PATCH, "/movies/99", &[MERGE], "{}").await.code(), "movie_not_found");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s14_a_film_is_deleted_once(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.write(Method::DELETE, "/movies/1", &[], "").await, @r#"
    204 No Content
    cache-control: no-store
    content-length: 0
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff
    "#);
    assert_eq!(app.write(Method::DELETE, "/movies/1", &[], "").await.code(), "movie_not_found");
    assert_eq!(app.get("/movies/1").await.code(), "movie_not_found");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s11_s17_nothing_is_written_and_nothing_told_without_the_scope(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let read = format!("Bearer {}", app.token().scope("movies:read").mint());
    let tag = app.get("/movies/1").await.header("etag").to_owned();
    for (method, target) in [
        (Method::POST, "/movies"),
        (Method::PUT, "/movies/1"),
        (Method::PUT, "/movies/x"),
        (Method::PATCH, "/movies/1"),
        (Method::PATCH, "/movies/99"),
        (Method::DELETE, "/movies/1"),
        (Method::DELETE, "/movies/%00"),
    ] {
        for (authorization, code) in [
            (None, "token_missing"),
            (Some("Bearer bad"), "token_invalid"),
            (Some(read.as_str()), "scope_insufficient"),
        ] {
            let answer = app.ask(method.clone(), target, authorization).await;
            assert_eq!(answer.code(), code, "{method} {target}");
            assert_eq!((answer.header("cache-control"), answer.header("vary")), ("no-store", "Authorization"));
        }
    }
    for method in [Method::GET, Method::HEAD] {
        let request = http::Request::builder().method(method).uri("/movies/1").header("if-none-match", &tag);
        let answer = app.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.header("etag")), (StatusCode::UNAUTHORIZED, ""));
    }
    let kept = app.read("/movies/1", &[("if-none-match", &tag)]).await;
    assert_eq!((kept.header("cache-control"), kept.header("vary")), ("private, no-cache", "Authorization"));
    let lower = app.write(Method::DELETE, "/movies/1", &[("x-http-method-override", "GET")], "").await;
    assert_eq!(lower.status, StatusCode::NO_CONTENT, "the method is the request's own");
}

#[sqlx::test(migrations = false)]
async fn an_adopted_table_without_a_counter_gets_one(pool: PgPool) {
    sqlx::raw_sql(
        "create schema myapi;
         create table myapi.movies (movie_id integer primary key, title varchar(200), released integer, rating numeric(2, 1));
         insert into myapi.movies values (41, 'The Land Girls', 1998, 6.1)",
    )
    .execute(&pool)
    .await
    .unwrap();
    shared::db::MIGRATOR.run(&pool).await.unwrap();
    let app = TestApp::new(pool);
    assert_eq!(app.write(Method::POST, "/movies", &[JSON], UP).await.json()["movie_id"], 42);
}

pub(crate) async fn futures(
    app: &TestApp,
    count: usize,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
) -> Vec<Answer> {
    let asked = (0..count).map(|_| app.write(method.clone(), target, headers, UP));
    futures_util::future::join_all(asked).await
}
