//! `/healthz` and `/readyz`.

use std::str::FromStr;

use http::{Method, StatusCode};
use insta::assert_snapshot;
use shared::db;
use shared::testing::TestIssuer;
use shared::token::keys::KeySet;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::support::TestApp;

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn with_keys_and_database_the_service_is_ready(pool: PgPool) {
    let app = TestApp::new(pool);
    assert_snapshot!(app.ask(Method::GET, "/healthz", None).await, @r#"
    200 OK
    cache-control: no-store
    content-length: 15
    content-type: application/json
    referrer-policy: no-referrer
    x-content-type-options: nosniff

    {"status":"ok"}
    "#);
    assert_snapshot!(app.ask(Method::GET, "/readyz", None).await, @r#"
    200 OK
    cache-control: no-store
    content-length: 38
    content-type: application/json
    referrer-policy: no-referrer
    x-content-type-options: nosniff

    {"status":"ready","revocations":"off"}
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_keys_it_is_alive_and_not_ready(pool: PgPool) {
    let app = TestApp::with_keys(pool, TestIssuer::es256(), KeySet::default());
    assert_eq!(app.ask(Method::GET, "/healthz", None).await.status, StatusCode::OK);
    assert_snapshot!(app.ask(Method::GET, "/readyz", None).await, @r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 117
    content-type: application/problem+json
    referrer-policy: no-referrer
    retry-after: 1
    x-content-type-options: nosniff

    {"title":"The service is not ready","status":503,"code":"not_ready","detail":"There is no key to check tokens with."}
    "#);
}

#[tokio::test]
async fn without_a_database_it_is_alive_not_ready_and_still_checks_tokens() {
    // Port 1 of loopback: nobody listens there.
    let options = PgConnectOptions::from_str("postgres://nobody@127.0.0.1:1/none").unwrap();
    let app = TestApp::new(db::pool(options, 1, "test"));
    assert_eq!(app.ask(Method::GET, "/healthz", None).await.status, StatusCode::OK);
    assert_snapshot!(app.ask(Method::GET, "/readyz", None).await.body, @r#"{"title":"The service is not ready","status":503,"code":"not_ready","detail":"The database does not answer."}"#);
    assert_eq!(app.ask(Method::GET, "/movies/1", None).await.code(), "token_missing");
    assert_snapshot!(app.get("/movies/1").await, @r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 75
    content-type: application/problem+json
    referrer-policy: no-referrer
    retry-after: 1
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"The service cannot answer now","status":503,"code":"unavailable"}
    "#);
}
