//! What a protected route answers. S01, S03, S04, S05, S10, F25.

use std::collections::BTreeSet;

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use shared::testing::{Answer, KeyServer, TestIssuer};
use shared::token::source::{KeySource, Keys, KeysOptions};

use crate::support::{log, now, present, protect, send};

fn house() -> (TestIssuer, axum::Router) {
    let issuer = TestIssuer::es256();
    let router = protect(&issuer, &Keys::fixed(issuer.key_set()));
    (issuer, router)
}

#[tokio::test]
async fn a_good_token_opens_in_any_case_of_bearer() {
    let (issuer, router) = house();
    let claims = issuer.claims(now());
    let token = issuer.mint(&claims);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let wire = send(&router, "/movies", &[&format!("{scheme} {token}")]).await;
        assert_eq!((wire.status, wire.body), (200, claims.sub.clone()));
    }
}

#[tokio::test]
async fn s01_no_credentials() {
    let (_, router) = house();
    for authorization in [&[][..], &["Basic Og=="], &["DPoP abc"]] {
        let wire = send(&router, "/movies", authorization).await;
        assert_eq!(wire.status, 401);
        assert_eq!(wire.challenge(), Some(r#"Bearer realm="movies""#));
        assert_eq!(wire.header("content-type"), Some("application/problem+json"));
        assert_eq!(wire.header("cache-control"), Some("no-store"));
        assert_eq!(wire.header("vary"), Some("Authorization"));
    }
    assert_json_snapshot!(send(&router, "/movies", &[]).await.json(), @r#"
    {
      "code": "token_missing",
      "status": 401,
      "title": "A bearer token is required"
    }
    "#);
}

#[tokio::test]
async fn s03_the_scope_is_missing() {
    let (issuer, router) = house();
    let narrow = [
        issuer.token(now()).scope("movies:write movies:reader movies").mint(),
        issuer.token(now()).scope("MOVIES:READ").mint(),
        issuer.token(now()).scope("").mint(),
        issuer.token(now()).without_claim("scope").mint(),
    ];
    let mut bodies = BTreeSet::new();
    for token in narrow {
        let wire = present(&router, &token).await;
        assert_eq!(wire.status, 403);
        assert_eq!(
            wire.challenge(),
            Some(
                "Bearer realm=\"movies\", error=\"insufficient_scope\", \
                 error_description=\"The token does not have the scope that this needs.\", scope=\"movies:read\""
            )
        );
        bodies.insert(wire.body);
    }
    assert_eq!(bodies.len(), 1);
    let body: Value = serde_json::from_str(bodies.first().unwrap()).unwrap();
    assert_json_snapshot!(body, @r#"
    {
      "code": "scope_insufficient",
      "detail": "This needs the scope movies:read.",
      "status": 403,
      "title": "The bearer token's scope is too narrow"
    }
    "#);
}

#[tokio::test]
async fn s04_malformed_or_several() {
    let (issuer, router) = house();
    let good = format!("Bearer {}", issuer.token(now()).mint());
    let list = format!("{good}, {good}");
    let query = "/movies?access_token=abc";
    let cases: [(&str, &[&str]); 7] = [
        ("/movies", &[&good, &good]),
        ("/movies", &[&good, "Basic Og=="]),
        ("/movies", &[&list]),
        ("/movies", &["Bearer"]),
        ("/movies", &["Bearer not a token"]),
        ("/movies", &["Bearer \u{e9}"]),
        (query, &[&good]),
    ];
    for (path, authorization) in cases {
        let wire = send(&router, path, authorization).await;
        assert_eq!(wire.status, 400, "{authorization:?}");
        assert_eq!(
            wire.challenge(),
            Some(
                "Bearer realm=\"movies\", error=\"invalid_request\", \
                 error_description=\"The request must carry exactly one well-formed bearer token.\""
            )
        );
        assert_eq!(wire.json()["code"], json!("request_malformed"));
    }
}

#[tokio::test]
async fn s05_a_token_in_the_query_is_not_seen() {
    let (issuer, router) = house();
    let wire = send(&router, &format!("/movies?access_token={}", issuer.token(now()).mint()), &[]).await;
    assert_eq!(wire.status, 401);
    assert_eq!(wire.challenge(), Some(r#"Bearer realm="movies""#));
}

#[tokio::test]
async fn s10_a_token_directs_no_fetch() {
    let attacker = TestIssuer::es256();
    let trap = KeyServer::start(Answer::Body(attacker.jwks())).await;
    let home = KeyServer::start(Answer::Status(500)).await;
    let issuer = TestIssuer::es256();
    home.set_answer(Answer::Body(issuer.jwks()));
    let keys = Keys::new(KeySource::JwksUrl(home.url().clone()), KeysOptions::default()).unwrap();
    keys.load().await.unwrap();
    let router = protect(&issuer, &keys);
    let jwk = serde_json::to_value(attacker.public_key().jwk()).unwrap();
    for (member, value) in [
        ("jku", json!(trap.url().as_str())),
        ("x5u", json!(trap.url().as_str())),
        ("jwk", jwk),
        ("x5c", json!(["AAAA"])),
        ("kid", json!(trap.url().as_str())),
    ] {
        for signer in [&attacker, &issuer] {
            let token = signer.token(now()).header(member, value.clone());
            assert_eq!(present(&router, &token.clone().mint()).await.status, 401, "{member}");
            let foreign = token.claim("iss", trap.url().as_str()).mint();
            assert_eq!(present(&router, &foreign).await.status, 401, "{member} and iss");
        }
    }
    assert_eq!(trap.hits(), 0);
    assert!(home.hits() <= 2, "the configured place alone is asked");
}

#[tokio::test]
async fn f25_without_any_key_the_answer_is_503() {
    let issuer = TestIssuer::es256();
    let server = KeyServer::start(Answer::Status(500)).await;
    let keys = Keys::new(KeySource::JwksUrl(server.url().clone()), KeysOptions::default()).unwrap();
    keys.load().await.unwrap();
    let router = protect(&issuer, &keys);
    let wire = present(&router, &issuer.token(now()).mint()).await;
    assert_eq!((wire.status, wire.header("retry-after"), wire.challenge()), (503, Some("5"), None));
    assert_eq!(wire.json()["code"], json!("keys_unavailable"));
    assert_eq!(send(&router, "/movies", &[]).await.status, 401, "without a token, keys do not matter");
    assert_eq!(present(&router, "abc").await.status, 401, "nor for what can be no token");
}

#[tokio::test]
async fn the_log_has_the_reason_once_and_never_the_token() {
    let (log, _guard) = log();
    let (issuer, router) = house();
    let token = issuer.token(now()).claim("exp", 5).mint();
    assert_eq!(present(&router, &token).await.status, 401);
    assert_eq!(present(&router, &issuer.token(now()).header("kid", "evil\nline").mint()).await.status, 401);
    let text = log.text();
    assert_eq!(text.matches("token.refusal=\"expired\"").count(), 1, "{text}");
    assert_eq!(text.matches("token.refusal=\"key_unknown\"").count(), 1, "{text}");
    assert!(token.split('.').all(|segment| !text.contains(segment)) && !text.contains("evil"), "{text}");
}
