//! Every mutation of a valid token is refused for its own reason, and all of them with one and the same answer. S02,
//! S06.

use axum::http::header::CONTENT_LENGTH;
use insta::assert_json_snapshot;
use serde_json::json;
use shared::testing::{TestIssuer, TokenBuilder, mutations};
use shared::token::keys::Algorithm;
use shared::token::source::Keys;

use crate::support::{now, present, protect, verifier};

fn good(issuer: &TestIssuer) -> TokenBuilder<'_> {
    issuer.token(now())
}

#[tokio::test]
async fn s06_every_mutation_is_refused_for_its_own_reason_with_one_answer() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let issuer = TestIssuer::new(algorithm);
        let keys = Keys::fixed(issuer.key_set());
        let (verifier, router) = (verifier(&issuer, &keys), protect(&issuer, &keys));
        assert_eq!(present(&router, &good(&issuer).mint()).await.status, 200, "{algorithm}: the token before mutation");
        let reference = present(&router, "abc").await;
        let table = mutations::all(&issuer);
        assert!(table.len() > 150, "{}", table.len());
        for (name, token, refusal) in table {
            assert_eq!(verifier.verify(&token, now()), Err(refusal), "{algorithm} {name}");
            assert_eq!(present(&router, &token).await, reference, "{algorithm} {name}");
        }
    }
}

#[tokio::test]
async fn s02_the_one_answer() {
    let issuer = TestIssuer::es256();
    let wire = present(&protect(&issuer, &Keys::fixed(issuer.key_set())), "abc").await;
    assert_eq!(wire.status, 401);
    assert_eq!(
        wire.challenge(),
        Some(
            "Bearer realm=\"movies\", error=\"invalid_token\", \
             error_description=\"The token is expired, revoked, malformed or not meant for this service.\""
        )
    );
    let mut names: Vec<&str> = wire.headers.keys().map(|name| name.as_str()).collect();
    names.retain(|name| *name != CONTENT_LENGTH.as_str());
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "content-type", "vary", "www-authenticate"]);
    assert_json_snapshot!(wire.json(), @r#"
    {
      "code": "token_invalid",
      "detail": "The token is expired, revoked, malformed or not meant for this service.",
      "status": 401,
      "title": "The bearer token is not valid"
    }
    "#);
}

#[test]
fn s06_what_the_rules_allow_is_accepted() {
    let issuer = TestIssuer::es256();
    let verifier = verifier(&issuer, &Keys::fixed(issuer.key_set()));
    let at = |seconds: i64| json!(now().timestamp() + seconds);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(verifier.verify(&good(&issuer).header("typ", typ).mint(), now()).is_ok(), "{typ}");
    }
    let allowed = [
        ("aud", json!(["http://other.example", "http://127.0.0.1:8000"])),
        ("exp", at(0)),
        ("iat", at(5)),
        ("nbf", at(5)),
        ("nbf", json!(0)),
        ("exp", json!(i64::MAX)),
        ("unknown", json!({ "a": [1.5, null] })),
        ("name", json!("Zo\u{eb}")),
    ];
    for (claim, value) in allowed {
        let token = good(&issuer).claim(claim, value.clone()).mint();
        assert!(verifier.verify(&token, now()).is_ok(), "{claim} {value}");
    }
    let expiring = good(&issuer).claim("iat", at(-60)).claim("exp", at(-4)).mint();
    assert!(verifier.verify(&expiring, now()).is_ok(), "within the leeway");
}
