//! Every mutation of a valid token, over HTTP to the whole service: one answer, and no connection to anywhere. S02, S06, S10.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::json;
use shared::testing::{Answer, KeyServer, TestIssuer, mutations};
use shared::token::keys::Algorithm;
use shared::token::source::{KeySource, Keys, KeysOptions};
use shared::token::verifier::TOKEN_LIMIT;
use sqlx::PgPool;

use crate::support::{Listening, TestApp, insert_some};

const MOVIE: &str = "/movies/?movie_id=1";

async fn all_refused_alike(pool: PgPool, algorithm: Algorithm) {
    insert_some(&pool).await;
    let issuer = TestIssuer::new(algorithm);
    let keys = issuer.key_set();
    let app = Listening::start(TestApp::with_keys(pool, issuer, keys)).await;
    assert_eq!(app.clock.now(), mutations::now());
    assert_eq!(app.fetch(MOVIE, &[&format!("Bearer {}", app.token().mint())]).await.0, 200);
    let reference = app.fetch(MOVIE, &["Bearer abc"]).await;
    assert_eq!((reference.0, reference.2.contains("\"code\":\"token_invalid\"")), (401, true));
    assert!(reference.1.contains("error=\"invalid_token\""), "{}", reference.1);
    let table = mutations::all(&app.issuer);
    assert!(table.len() >= 100, "{}", table.len());
    let names: BTreeSet<&String> = table.iter().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), table.len(), "each is another one");
    for (name, token, _) in &table {
        let bearer = format!("Bearer {token}");
        let answer = app.fetch(MOVIE, &[&bearer]).await;
        // Some are no token by the grammar of the header (RFC 6750 section 2.1): their request is malformed.
        let is_header = token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
        if is_header {
            assert_eq!(answer, reference, "{algorithm} {name}");
        } else {
            assert_eq!(answer.0, 400, "{algorithm} {name}");
        }
    }
    // Doubled headers, and a token beyond every limit.
    let good = format!("Bearer {}", app.token().mint());
    assert_eq!(app.fetch(MOVIE, &[&good, &good]).await.0, 400);
    assert_eq!(app.fetch(MOVIE, &[&good, "Bearer abc"]).await.0, 400);
    let long = app.token().claim("pad", "x".repeat(TOKEN_LIMIT)).mint();
    assert_eq!(app.fetch(MOVIE, &[&format!("Bearer {long}")]).await, reference);
    assert_eq!(app.fetch(MOVIE, &[&format!("Bearer {}", "x".repeat(70_000))]).await.0, 431);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s02_s06_every_mutation_of_es256_is_refused_alike(pool: PgPool) {
    all_refused_alike(pool, Algorithm::Es256).await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s02_s06_every_mutation_of_eddsa_is_refused_alike(pool: PgPool) {
    all_refused_alike(pool, Algorithm::EdDsa).await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s02_s06_every_mutation_of_rs256_is_refused_alike(pool: PgPool) {
    all_refused_alike(pool, Algorithm::Rs256).await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s08_s10_no_token_directs_a_connection(pool: PgPool) {
    let bait = KeyServer::start(Answer::Status(500)).await;
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let issuer = TestIssuer::new(algorithm);
        let endpoint = KeyServer::start(Answer::Body(issuer.jwks())).await;
        let keys = Keys::new(KeySource::JwksUrl(endpoint.url().clone()), KeysOptions::default()).unwrap();
        keys.load().await.unwrap();
        let app = TestApp::with_source(pool.clone(), issuer, keys);
        let place = bait.url().as_str();
        let mut tokens: Vec<String> = ["jku", "x5u", "kid", "typ", "jwk", "x5c"]
            .into_iter()
            .map(|member| app.token().header(member, place).mint())
            .collect();
        tokens.push(app.token().header("jwk", json!({ "jku": place, "x5u": place })).mint());
        tokens.push(app.token().claim("iss", place).mint());
        tokens.extend(mutations::all(&app.issuer).into_iter().map(|(_, token, _)| token));
        for token in tokens.iter().filter(|token| token.is_ascii()) {
            let answer = app.ask(Method::GET, MOVIE, Some(&format!("Bearer {token}"))).await;
            assert!([StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST].contains(&answer.status), "{answer}");
        }
        assert!(endpoint.hits() <= 2, "at the start, and once for an unknown kid: {}", endpoint.hits());
    }
    assert_eq!(bait.hits(), 0);
}
