//! When a film may be changed: the version that the client knows, what is known of revocations, and who may write at all.

use http::{Method, StatusCode};
use insta::assert_snapshot;
use shared::testing::TestIssuer;
use shared::token::revocations::Revocations;
use shared::token::source::Keys;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::support::{TestApp, insert_some};
use crate::write_movies::{JSON, MERGE, UP, futures};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_film_that_the_client_has_is_not_sent_again(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let film = app.get("/movies/1").await;
    let tag = film.header("etag").to_owned();
    assert_snapshot!(app.read("/movies/1", &[("if-none-match", &tag)]).await, @r#"
    304 Not Modified
    cache-control: private, no-cache
    content-length: 0
    etag: "Ux4prAqFk2X2GXKxYG2icg"
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff
    "#);
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
    assert_snapshot!(refused, @r#"
    412 Precondition Failed
    cache-control: no-store
    content-length: 171
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"The movie is not what the request takes it for","status":412,"code":"precondition_failed","detail":"It was changed, stored or deleted meanwhile: read it again."}
    "#);
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
async fn s02_writes_wait_until_it_is_known_what_was_revoked(pool: PgPool) {
    insert_some(&pool).await;
    let issuer = TestIssuer::es256();
    let keys = Keys::fixed(issuer.key_set());
    let clock = TestApp::standing_clock();
    // Nobody follows the feed: it was never read.
    let app = TestApp::with_revocations(pool, issuer, keys, Revocations::new(clock.clone()), clock);
    assert_eq!(app.get("/movies/1").await.status, StatusCode::OK, "reads go on");
    assert_snapshot!(app.write(Method::DELETE, "/movies/1", &[], "").await, @r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 107
    content-type: application/problem+json
    referrer-policy: no-referrer
    retry-after: 5
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"It is not known at the moment which tokens were revoked","status":503,"code":"revocations_stale"}
    "#);
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
    assert_snapshot!(app.write(Method::POST, "/movies", &[JSON], UP).await, @r#"
    403 Forbidden
    cache-control: no-store
    content-length: 78
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"This deployment serves reads alone","status":403,"code":"read_only"}
    "#);
    for (method, headers, body) in
        [(Method::PUT, [JSON], UP), (Method::PATCH, [MERGE], "{}"), (Method::DELETE, [JSON], "")]
    {
        let answer = app.write(method.clone(), "/movies/1", &headers, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "read_only"), "{method}");
    }
    reader.close().await;
    run(format!("drop owned by {role}; drop role {role}")).await;
}
