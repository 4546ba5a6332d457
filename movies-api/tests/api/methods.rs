//! Methods and paths that there are not.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use insta::assert_snapshot;
use sqlx::PgPool;

use crate::support::{TestApp, insert_some};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s19_other_methods_are_refused_with_those_that_there_are(pool: PgPool) {
    let app = TestApp::new(pool);
    let bearer = format!("Bearer {}", app.token().mint());
    assert_snapshot!(app.ask(Method::DELETE, "/movies/new", Some(&bearer)).await, @r#"
    405 Method Not Allowed
    allow: GET,HEAD
    cache-control: no-store
    content-length: 87
    content-type: application/problem+json
    referrer-policy: no-referrer
    x-content-type-options: nosniff

    {"title":"The path does not have this method","status":405,"code":"method_not_allowed"}
    "#);
    for (target, allowed) in [
        ("/movies/", "GET,HEAD"),
        ("/movies", "GET,HEAD,POST"),
        ("/movies/1", "GET,HEAD,PUT,PATCH,DELETE"),
        ("/movies/new", "GET,HEAD"),
        ("/movies/stats", "GET,HEAD"),
        ("/movies/export", "GET,HEAD"),
        ("/healthz", "GET,HEAD"),
        ("/readyz", "GET,HEAD"),
    ] {
        let allowed: BTreeSet<&str> = allowed.split(',').collect();
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if allowed.contains(method) {
                continue;
            }
            let answer = app.ask(method.parse().unwrap(), target, Some(&bearer)).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {target}");
            assert_eq!(answer.header("allow").split(',').collect::<BTreeSet<_>>(), allowed, "{method} {target}");
            assert_eq!(answer.code(), "method_not_allowed", "{method} {target}");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s19_a_method_in_a_header_is_not_looked_at(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let request = Request::get("/movies/1")
        .header("authorization", format!("Bearer {}", app.token().mint()))
        .header("x-http-method-override", "DELETE");
    assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_unknown_path_is_a_problem(pool: PgPool) {
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/films").await, @r#"
    404 Not Found
    cache-control: no-store
    content-length: 79
    content-type: application/problem+json
    referrer-policy: no-referrer
    x-content-type-options: nosniff

    {"title":"There is nothing at this path","status":404,"code":"route_not_found"}
    "#);
    for target in ["/", "/movies/1/", "/movies/new/", "/movies/1/cast", "/metrics", "/debug"] {
        assert_eq!(app.get(target).await.code(), "route_not_found", "{target}");
    }
}
