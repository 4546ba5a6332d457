//! `/healthz`, `/readyz`, and what surrounds every route.

use axum::body::Body;
use http::Request;
use shared::db::Pool;

use crate::app::{ISSUER, TestApp};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o06_liveness_needs_no_database_and_readiness_does(pool: Pool) {
    let app = TestApp::new(pool).await;
    assert_eq!(app.get("/healthz").await.body, r#"{"status":"ok"}"#);
    assert_eq!(app.get("/readyz").await.body, r#"{"status":"ready"}"#);
    app.pool.close().await;
    assert_eq!(app.get("/healthz").await.status, 200);
    let answer = app.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, r#"{"status":"unavailable","waiting_for":["database"]}"#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o05_every_answer_has_the_security_headers(pool: Pool) {
    let app = TestApp::new(pool).await;
    for path in ["/healthz", "/nothing/here", "/token", "/.well-known/jwks.json"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("strict-transport-security"), None, "{ISSUER} is http");
        assert_eq!(answer.header("server"), None);
        let id = answer.header("x-request-id").unwrap();
        assert!(id.parse::<uuid::Uuid>().is_ok(), "{id}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o05_an_https_issuer_is_strict(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__ISSUER", "https://login.example.com")]).await;
    assert_eq!(app.get("/healthz").await.header("strict-transport-security"), Some("max-age=31536000"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn unknown_paths_and_request_ids_of_strangers(pool: Pool) {
    let app = TestApp::new(pool).await;
    let request = Request::get("/nothing").header("x-request-id", "evil\tid").body(Body::empty()).unwrap();
    let answer = app.send(request).await;
    answer.assert_error(404, "not_found");
    assert_ne!(answer.header("x-request-id"), Some("evil\tid"));
}
