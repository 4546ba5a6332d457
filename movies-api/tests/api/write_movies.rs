//! `POST /movies`, `PUT`, `PATCH` and `DELETE /movies/{movie_id}`, and conditions on them.

use http::{Method, StatusCode};
use insta::assert_snapshot;
use serde_json::json;
use shared::testing::TestIssuer;
use shared::token::revocations::Revocations;
use shared::token::source::Keys;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::support::{Answer, TestApp, insert_some};

const JSON: (&str, &str) = ("content-type", "application/json");
const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");
const UP: &str = r#"{"title":"Up","released":2009,"rating":8.4}"#;

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_new_film_gets_a_key_and_its_address(pool: PgPool) {
    let app = TestApp::new(pool);
    let created = app.write(Method::POST, "/movies", &[JSON], UP).await;
    assert_snapshot!(created, @r#""#);
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
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], "{}").await, @r#""#);
    let wrong = r#"{"movie_id":7,"title":" ","released":"2009","rating":8.15,"relased":2009}"#;
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], wrong).await.body, @r#""#);
    assert_snapshot!(app.write(Method::PUT, "/movies/1", &[JSON], wrong).await.body, @r#""#);
    let patch = r#"{"movie_id":1,"title":null,"released":46,"rating":"8"}"#;
    assert_snapshot!(app.write(Method::PATCH, "/movies/1", &[MERGE], patch).await.body, @r#""#);
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

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_body_of_another_type_or_size_is_refused(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.write(Method::POST, "/movies", &[], UP).await, @r#""#);
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
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], &huge).await, @r#""#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_film_is_put_once_or_twice_with_the_same_end(pool: PgPool) {
    let app = TestApp::new(pool);
    let created = app.write(Method::PUT, "/movies/7", &[JSON], UP).await;
    assert_eq!((created.status, created.header("location")), (StatusCode::CREATED, "/movies/7"));
    let again = app.write(Method::PUT, "/movies/7", &[JSON], UP).await;
    assert_snapshot!(again, @r#""#);
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
    assert_snapshot!(app.write(Method::PATCH, "/movies/1", &[MERGE], r#"{"rating":6.5}"#).await, @r#""#);
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
    assert_snapshot!(app.write(Method::DELETE, "/movies/1", &[], "").await, @r#""#);
    assert_eq!(app.write(Method::DELETE, "/movies/1", &[], "").await.code(), "movie_not_found");
    assert_eq!(app.get("/movies/1").await.code(), "movie_not_found");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_film_that_the_client_has_is_not_sent_again(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let film = app.get("/movies/1").await;
    let tag = film.header("etag").to_owned();
    assert_snapshot!(app.read("/movies/1", &[("if-none-match", &tag)]).await, @r#""#);
    let weak = format!("W/{tag}");
    let listed = format!("\"other\", {tag}");
    for known in [weak.as_str(), listed.as_str(), "*"] {
        assert_eq!(app.read("/movies/1", &[("if-none-match", known)]).await.status, StatusCode::NOT_MODIFIED);
    }
    for (name, value, status) in [
        ("if-none-match", "\"other\"", 200),
        ("if-match", &*tag, 200),
        ("if-match", "*", 200),
        ("if-match", "\"other\"", 412),
        ("if-match", &weak, 412),
        ("if-match", "other", 400),
        ("if-none-match", "W/other", 400),
        ("if-none-match", "", 400),
    ] {
        assert_eq!(app.read("/movies/1", &[(name, value)]).await.status.as_u16(), status, "{name}: {value}");
    }
    let both = app.read("/movies/1", &[("if-none-match", "\"a\""), ("if-none-match", &tag)]).await;
    assert_eq!(both.status, StatusCode::NOT_MODIFIED, "several lines are one list");
    assert_eq!(app.read("/movies/99", &[("if-none-match", "*")]).await.code(), "movie_not_found");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_write_meets_the_version_that_its_client_knows_or_none(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let tag = app.get("/movies/1").await.header("etag").to_owned();
    let refused = app.write(Method::PUT, "/movies/1", &[JSON, ("if-match", "\"old\"")], UP).await;
    assert_snapshot!(refused, @r#""#);
    for headers in [
        &[JSON, ("if-none-match", "*")][..],
        &[JSON, ("if-none-match", &tag)],
        &[JSON, ("if-match", "\"old\""), ("if-none-match", "\"old\"")],
    ] {
        let answer = app.write(Method::PUT, "/movies/1", headers, UP).await;
        assert_eq!(answer.to_string(), refused.to_string(), "{headers:?}");
    }
    let absent = app.write(Method::PUT, "/movies/70", &[JSON, ("if-match", "*")], UP).await;
    assert_eq!(absent.to_string(), refused.to_string(), "there is none");
    let weak = format!("W/{tag}");
    for method in [Method::PATCH, Method::DELETE] {
        for known in ["\"old\"", &weak] {
            let answer = app.write(method.clone(), "/movies/1", &[MERGE, ("if-match", known)], "{}").await;
            assert_eq!(answer.code(), "precondition_failed", "{method}");
        }
        // There is nothing to compare with, and nothing was changed since.
        let missing = app.write(method, "/movies/99", &[MERGE, ("if-match", &tag)], "{}").await;
        assert_eq!(missing.code(), "movie_not_found");
    }
    assert_eq!(app.get("/movies/1").await.header("etag"), tag, "nothing was written");
    let put = app.write(Method::PUT, "/movies/1", &[JSON, ("if-match", &tag)], UP).await;
    assert_eq!(put.status, StatusCode::OK);
    let stale = app.write(Method::PATCH, "/movies/1", &[MERGE, ("if-match", &tag)], "{}").await;
    assert_eq!(stale.code(), "precondition_failed");
    let tag = put.header("etag").to_owned();
    assert_eq!(app.write(Method::DELETE, "/movies/1", &[("if-match", &tag)], "").await.status, StatusCode::NO_CONTENT);
    let created = app.write(Method::PUT, "/movies/70", &[JSON, ("if-none-match", "*")], UP).await;
    assert_eq!(created.status, StatusCode::CREATED);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn of_many_writers_at_once_one_wins(pool: PgPool) {
    let app = TestApp::new(pool);
    for round in 0..5 {
        let target = format!("/movies/{}", 100 + round);
        let created = futures(&app, 8, Method::PUT, &target, &[JSON, ("if-none-match", "*")]).await;
        let won = created.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
        let lost = created.iter().filter(|answer| answer.status == StatusCode::PRECONDITION_FAILED).count();
        assert_eq!((won, lost), (1, 7));
        let tag = app.get(&target).await.header("etag").to_owned();
        let bodies: Vec<String> = (0..8).map(|n| format!(r#"{{"rating":{n}.5}}"#)).collect();
        let headers = [MERGE, ("if-match", tag.as_str())];
        let changed = bodies.iter().map(|body| app.write(Method::PATCH, &target, &headers, body));
        let changed = futures_util::future::join_all(changed).await;
        assert_eq!(changed.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
        assert_eq!(changed.iter().filter(|answer| answer.code_or_empty() == "precondition_failed").count(), 7);
        // Without conditions all of them are answered, and one film is left.
        let put = futures(&app, 8, Method::PUT, &format!("/movies/{}", 200 + round), &[JSON]).await;
        assert_eq!(put.iter().filter(|answer| answer.status == StatusCode::CREATED).count(), 1);
        assert_eq!(put.iter().filter(|answer| answer.status == StatusCode::OK).count(), 7);
    }
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

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s02_writes_wait_until_it_is_known_what_was_revoked(pool: PgPool) {
    insert_some(&pool).await;
    let issuer = TestIssuer::es256();
    let keys = Keys::fixed(issuer.key_set());
    let clock = TestApp::standing_clock();
    // Nobody follows the feed: it was never read.
    let app = TestApp::with_revocations(pool, issuer, keys, Revocations::new(clock.clone()), clock);
    assert_eq!(app.get("/movies/1").await.status, StatusCode::OK, "reads go on");
    assert_snapshot!(app.write(Method::DELETE, "/movies/1", &[], "").await, @r#""#);
    for (method, target) in [(Method::POST, "/movies"), (Method::PUT, "/movies/1"), (Method::PATCH, "/movies/1")] {
        assert_eq!(app.write(method, target, &[JSON], UP).await.code(), "revocations_stale");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_deployment_that_only_reads_says_so(pool: PgPool) {
    insert_some(&pool).await;
    // A role is the cluster's: each database of a test has one of its own.
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    let role = format!("reads_{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase());
    let run = async |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    run(format!(
        "create role {role} login; grant usage on schema myapi to {role};
                 grant select on myapi.movies to {role}"
    ))
    .await;
    let options = pool.connect_options().as_ref().clone().username(&role);
    let reader = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    let app = TestApp::new(reader.clone());
    for target in ["/movies/1", "/movies?title=land", "/movies/stats", "/movies/export?format=csv"] {
        assert_eq!(app.get(target).await.status, StatusCode::OK, "{target}");
    }
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], UP).await, @r#""#);
    for (method, headers, body) in
        [(Method::PUT, [JSON], UP), (Method::PATCH, [MERGE], "{}"), (Method::DELETE, [JSON], "")]
    {
        let answer = app.write(method.clone(), "/movies/1", &headers, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "read_only"), "{method}");
    }
    reader.close().await;
    run(format!("drop owned by {role}; drop role {role}")).await;
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

async fn futures(app: &TestApp, count: usize, method: Method, target: &str, headers: &[(&str, &str)]) -> Vec<Answer> {
    let asked = (0..count).map(|_| app.write(method.clone(), target, headers, UP));
    futures_util::future::join_all(asked).await
}
