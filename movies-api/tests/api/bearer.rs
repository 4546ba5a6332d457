//! Who is let in (RFC 6750).

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use insta::assert_snapshot;
use shared::testing::TestIssuer;
use shared::token::keys::KeySet;
use sqlx::PgPool;

use crate::support::{TestApp, insert_some};

const MOVIE: &str = "/movies/?movie_id=1";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s01_without_credentials_the_challenge_names_no_error(pool: PgPool) {
    let app = TestApp::new(pool);
    let answer = app.ask(Method::GET, MOVIE, None).await;
    assert_snapshot!(answer, @r#"
    401 Unauthorized
    cache-control: no-store
    content-length: 74
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    www-authenticate: Bearer realm="movies", resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource"
    www-authenticate: DPoP realm="movies", algs="ES256 EdDSA RS256", resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource"
    x-content-type-options: nosniff

    {"title":"A bearer token is required","status":401,"code":"token_missing"}
    "#);
    let other_scheme = app.ask(Method::GET, MOVIE, Some("Basic dXNlcjpwYXNz")).await;
    assert_eq!(other_scheme.to_string(), answer.to_string());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s02_every_bad_token_gets_one_and_the_same_answer(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let now = app.clock.now().timestamp();
    let bad = [
        TestIssuer::es256().token(app.clock.now()).mint(),
        app.token().claim("exp", now - 6).mint(),
        app.token().claim("iat", now + 60).mint(),
        app.token().claim("iss", "http://127.0.0.1:9").mint(),
        app.token().claim("aud", "http://127.0.0.1:9").mint(),
        app.token().without_claim("sub").mint(),
        app.token().header("typ", "JWT").mint(),
        app.token().header("alg", "none").mint(),
        app.token().header("crit", serde_json::json!(["b64"])).mint(),
        app.token().without_header("kid").mint(),
        app.token().mint().rsplit_once('.').unwrap().0.to_owned(),
        "garbage".to_owned(),
    ];
    let mut answers = Vec::new();
    for token in bad {
        answers.push(app.ask(Method::GET, MOVIE, Some(&format!("Bearer {token}"))).await.to_string());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_snapshot!(answers.remove(0), @r#"
    401 Unauthorized
    cache-control: no-store
    content-length: 160
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    www-authenticate: Bearer realm="movies", error="invalid_token", error_description="The token is expired, revoked, malformed or not meant for this service.", resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource"
    www-authenticate: DPoP realm="movies", algs="ES256 EdDSA RS256", resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource"
    x-content-type-options: nosniff

    {"title":"The bearer token is not valid","status":401,"code":"token_invalid","detail":"The token is expired, revoked, malformed or not meant for this service."}
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s03_a_token_of_another_scope_is_told_which_one_it_lacks(pool: PgPool) {
    let app = TestApp::new(pool);
    let token = app.token().scope("movies:write profile").mint();
    assert_snapshot!(app.ask(Method::GET, MOVIE, Some(&format!("Bearer {token}"))).await, @r#"
    403 Forbidden
    cache-control: no-store
    content-length: 136
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    www-authenticate: Bearer realm="movies", error="insufficient_scope", error_description="The token does not have the scope that this needs.", scope="movies:read", resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource"
    x-content-type-options: nosniff

    {"title":"The bearer token's scope is too narrow","status":403,"code":"scope_insufficient","detail":"This needs the scope movies:read."}
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s04_several_or_malformed_credentials_are_a_bad_request(pool: PgPool) {
    let app = TestApp::new(pool);
    let bearer = format!("Bearer {}", app.token().mint());
    let twice = Request::get(MOVIE).header(header::AUTHORIZATION, &bearer).header(header::AUTHORIZATION, &bearer);
    let twice = app.send(twice.body(Body::empty()).unwrap()).await;
    assert_snapshot!(twice, @r#"
    400 Bad Request
    cache-control: no-store
    content-length: 177
    content-type: application/problem+json
    referrer-policy: no-referrer
    vary: Authorization
    www-authenticate: Bearer realm="movies", error="invalid_request", error_description="The request must carry exactly one well-formed bearer token.", resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource"
    x-content-type-options: nosniff

    {"title":"The request is malformed","status":400,"code":"request_malformed","detail":"The request must carry exactly one well-formed bearer token, in the Authorization header."}
    "#);

    let in_query = format!("{MOVIE}&access_token={}", app.token().mint());
    for (target, authorization) in [(in_query.as_str(), bearer.as_str()), (MOVIE, "Bearer"), (MOVIE, "Bearer a b")] {
        let answer = app.ask(Method::GET, target, Some(authorization)).await;
        assert_eq!(answer.to_string(), twice.to_string(), "{authorization}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s05_a_token_in_query_or_body_counts_for_nothing(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let token = app.token().mint();
    let in_query = app.ask(Method::GET, &format!("{MOVIE}&access_token={token}"), None).await;
    assert_eq!(in_query.code(), "token_missing");
    let in_body = Request::get(MOVIE).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let in_body = app.send(in_body.body(Body::from(format!("access_token={token}"))).unwrap()).await;
    assert_eq!(in_body.to_string(), in_query.to_string());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s11_the_token_is_looked_at_before_anything_else(pool: PgPool) {
    let app = TestApp::new(pool);
    let narrow = format!("Bearer {}", app.token().scope("profile").mint());
    let targets = [
        "/movies",
        "/movies/",
        "/movies/?movie_id=x",
        "/movies/999999",
        "/movies/%00",
        "/movies/new?year=x",
        "/movies?sort=x",
        "/movies/stats?year_min=x",
        "/movies/export",
        "/movies/x",
    ];
    for target in targets {
        assert_eq!(app.ask(Method::GET, target, None).await.code(), "token_missing", "{target}");
        assert_eq!(app.ask(Method::GET, target, Some("Bearer bad")).await.code(), "token_invalid", "{target}");
        assert_eq!(app.ask(Method::GET, target, Some(&narrow)).await.code(), "scope_insufficient", "{target}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s17_no_cache_keeps_a_protected_answer_and_no_method_gets_around_the_token(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let bearer = format!("Bearer {}", app.token().mint());
    let cases = [
        (MOVIE, Some(bearer.as_str()), 200),
        ("/movies/new?year=2000&rating=8", Some(bearer.as_str()), 200),
        ("/movies?title=girls", Some(bearer.as_str()), 200),
        ("/movies/stats", Some(bearer.as_str()), 200),
        ("/movies/export?format=csv", Some(bearer.as_str()), 200),
        ("/movies?sort=x", Some(bearer.as_str()), 422),
        ("/movies/999999", Some(bearer.as_str()), 404),
        ("/movies/x", Some(bearer.as_str()), 422),
        (MOVIE, None, 401),
        (MOVIE, Some("Bearer bad"), 401),
    ];
    for (target, authorization, status) in cases {
        for method in [Method::GET, Method::HEAD] {
            let answer = app.ask(method.clone(), target, authorization).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {target}");
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {target}");
            assert_eq!(answer.header("vary"), "Authorization", "{method} {target}");
            assert_eq!(answer.body.is_empty(), method == Method::HEAD, "{method} {target}");
        }
    }
    let options = app.ask(Method::OPTIONS, MOVIE, None).await;
    assert_eq!(options.status, StatusCode::METHOD_NOT_ALLOWED);
    // A validator that a cache might send is not looked at: there is no 304 without a token, and none with it.
    let conditional = Request::get(MOVIE).header(header::IF_NONE_MATCH, "*").body(Body::empty()).unwrap();
    assert_eq!(app.send(conditional).await.status, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_scheme_has_no_case(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let answer = app.ask(Method::GET, MOVIE, Some(&format!("{scheme} {}", app.token().mint()))).await;
        assert_eq!(answer.status, StatusCode::OK, "{scheme}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_any_key_the_service_says_that_it_cannot_check(pool: PgPool) {
    let app = TestApp::with_keys(pool, TestIssuer::es256(), KeySet::default());
    assert_snapshot!(app.get(MOVIE).await, @r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 89
    content-type: application/problem+json
    referrer-policy: no-referrer
    retry-after: 5
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"Tokens cannot be checked at the moment","status":503,"code":"keys_unavailable"}
    "#);
}
