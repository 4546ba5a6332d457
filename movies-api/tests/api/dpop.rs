//! Tokens that are bound to a key (RFC 9449), and what the service says of itself (RFC 9728). T31.

use axum::body::Body;
use http::{Method, Request, header};
use insta::assert_snapshot;
use shared::testing::TestIssuer;
use sqlx::PgPool;

use crate::support::{Answer, TestApp, insert_some};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const MOVIE: &str = "http://127.0.0.1:8000/movies/1";

async fn ask(app: &TestApp, scheme: &str, token: &str, proof: Option<&str>) -> Answer {
    let request = Request::get("/movies/1").header(header::AUTHORIZATION, format!("{scheme} {token}"));
    let request = proof.iter().fold(request, |request, proof| request.header("dpop", *proof));
    app.send(request.body(Body::empty()).unwrap()).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_the_service_says_whose_tokens_it_takes(pool: PgPool) {
    let app = TestApp::new(pool);
    let request = Request::get(WELL_KNOWN).header(header::ORIGIN, "https://anywhere.example");
    let answer = app.send(request.body(Body::empty()).unwrap()).await;
    assert_snapshot!(answer, @r#"
    200 OK
    access-control-allow-origin: *
    cache-control: public, max-age=3600
    content-length: 307
    content-type: application/json
    referrer-policy: no-referrer
    x-content-type-options: nosniff

    {"resource":"http://127.0.0.1:8000","resource_name":"Movies API","authorization_servers":["http://127.0.0.1:8001"],"scopes_supported":["movies:read","movies:write"],"bearer_methods_supported":["header"],"dpop_signing_alg_values_supported":["ES256","EdDSA","RS256"],"dpop_bound_access_tokens_required":false}
    "#);
    assert_eq!(app.ask(Method::GET, &format!("{WELL_KNOWN}/movies"), None).await.status, 404);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_name_with_a_path_stands_behind_the_well_known_one(pool: PgPool) {
    let issuer = TestIssuer::es256().for_parties("https://login.example", "https://api.example/films/v1");
    let (keys, key) = (issuer.key_set(), TestIssuer::es256());
    insert_some(&pool).await;
    let app = TestApp::with_keys(pool, issuer, keys);
    for path in [WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}/films/v1")] {
        let body = app.ask(Method::GET, &path, None).await.json();
        assert_eq!(body["resource"], "https://api.example/films/v1", "{path}");
        assert_eq!(body["authorization_servers"][0], "https://login.example");
    }
    let refused = app.ask(Method::GET, "/movies/1", None).await;
    let metadata = r#"resource_metadata="https://api.example/.well-known/oauth-protected-resource/films/v1""#;
    assert_eq!(refused.header("www-authenticate"), format!("Bearer realm=\"movies\", {metadata}"));
    // A proxy takes the prefix off: clients prove what they ask for.
    let token = app.token().bound_to(&key.thumbprint()).mint();
    let proof = |htu: &str| key.proof("GET", htu, app.clock.now()).for_token(&token).mint();
    assert_eq!(ask(&app, "DPoP", &token, Some(&proof("https://api.example/films/v1/movies/1"))).await.status, 200);
    assert_eq!(ask(&app, "DPoP", &token, Some(&proof("https://api.example/movies/1"))).await.status, 401);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_name_that_is_no_address_has_neither(pool: PgPool) {
    let issuer = TestIssuer::es256().for_parties("http://127.0.0.1:8001", "urn:movies");
    let (keys, key) = (issuer.key_set(), TestIssuer::es256());
    let app = TestApp::with_keys(pool, issuer, keys);
    assert_eq!(app.ask(Method::GET, WELL_KNOWN, None).await.code(), "route_not_found");
    let refused = app.ask(Method::GET, "/movies/1", None).await;
    assert_eq!(refused.header("www-authenticate"), r#"Bearer realm="movies""#);
    let token = app.token().bound_to(&key.thumbprint()).mint();
    for scheme in ["Bearer", "DPoP"] {
        assert_eq!(ask(&app, scheme, &token, None).await.status, 401, "{scheme}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_bound_token_needs_its_proof_and_an_unbound_one_goes_on(pool: PgPool) {
    insert_some(&pool).await;
    let (app, key) = (TestApp::new(pool), TestIssuer::es256());
    let token = app.token().bound_to(&key.thumbprint()).mint();
    let proof = || key.proof("GET", MOVIE, app.clock.now()).for_token(&token).mint();
    let once = proof();
    assert_eq!(ask(&app, "DPoP", &token, Some(&once)).await.status, 200);
    assert_eq!(ask(&app, "DPoP", &token, Some(&once)).await.code(), "dpop_proof_invalid");
    assert_eq!(
        ask(&app, "DPoP", &token, Some(&proof())).await.status,
        200,
        "the token is remembered, the proof is new"
    );
    assert_eq!(ask(&app, "DPoP", &token, None).await.code(), "dpop_proof_invalid");
    assert_eq!(ask(&app, "Bearer", &token, Some(&proof())).await.code(), "token_invalid");
    let unbound = app.token().mint();
    assert_eq!(ask(&app, "Bearer", &unbound, None).await.status, 200);
    let fitting = key.proof("GET", MOVIE, app.clock.now()).for_token(&unbound).mint();
    assert_eq!(ask(&app, "DPoP", &unbound, Some(&fitting)).await.code(), "token_invalid");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_where_bound_tokens_are_required_no_other_is_taken(pool: PgPool) {
    insert_some(&pool).await;
    let (app, key) = (TestApp::requiring_dpop(pool), TestIssuer::es256());
    let refused = ask(&app, "Bearer", &app.token().mint(), None).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "token_invalid"));
    let missing = app.ask(Method::GET, "/movies/1", None).await;
    assert!(missing.header("www-authenticate").starts_with("DPoP realm=\"movies\", algs="), "{missing}");
    let token = app.token().bound_to(&key.thumbprint()).mint();
    let proof = key.proof("GET", MOVIE, app.clock.now()).for_token(&token).mint();
    assert_eq!(ask(&app, "DPoP", &token, Some(&proof)).await.status, 200);
    let body = app.ask(Method::GET, WELL_KNOWN, None).await.json();
    assert_eq!(body["dpop_bound_access_tokens_required"], true);
}
