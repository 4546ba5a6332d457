//! What the token says.

use serde_json::{Value, json};

use crate::token::claims::ClaimError::{Confirmation, Empty, Missing, Mistyped, Scope};
use crate::token::verifier::Refusal;

use super::{Mutation, case, good, now};
use crate::testing::TestIssuer;

/// Payload JSON, and each claim missing, empty or of another type.
pub(super) fn claims(issuer: &TestIssuer) -> Vec<Mutation> {
    let header = good(issuer).header_text();
    let payload = good(issuer).payload_text();
    let raw = |text: &str| issuer.mint_raw(&header, text);
    let exp = format!("\"exp\":{}", now().timestamp() + 600);
    assert!(payload.contains(&exp));
    let mut cases = vec![
        case("payload is a list", raw("[1]"), Refusal::PayloadMalformed),
        case("payload is null", raw("null"), Refusal::PayloadMalformed),
        case("payload is not JSON", raw("exp=1"), Refusal::PayloadMalformed),
        case("payload is empty", raw("{}"), Refusal::Claim(Missing("iss"))),
        case("payload twice", raw(&format!("{payload}{payload}")), Refusal::PayloadMalformed),
        case("exp 1e400", raw(&payload.replace(&exp, "\"exp\":1e400")), Refusal::PayloadMalformed),
        case("exp NaN", raw(&payload.replace(&exp, "\"exp\":NaN")), Refusal::PayloadMalformed),
        case("exp with an exponent", raw(&payload.replace(&exp, "\"exp\":2e9")), Refusal::Claim(Mistyped("exp"))),
        case("exp twice", raw(&payload.replace(&exp, &format!("{exp},{exp}"))), Refusal::DuplicateMember),
        case("scope twice", raw(&payload.replacen('{', "{\"scope\":\"admin\",", 1)), Refusal::DuplicateMember),
        case(
            "a duplicate deep inside",
            raw(&payload.replacen('{', "{\"x\":[{\"a\":1,\"a\":2}],", 1)),
            Refusal::DuplicateMember,
        ),
        case("nested beyond reason", raw(&payload.replacen('{', &nested(), 1)), Refusal::PayloadMalformed),
    ];
    for claim in ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"] {
        cases.push(case(
            &format!("no {claim}"),
            good(issuer).without_claim(claim).mint(),
            Refusal::Claim(Missing(claim)),
        ));
    }
    for claim in ["iss", "aud", "sub", "client_id", "jti", "sid"] {
        cases.push(case(&format!("empty {claim}"), good(issuer).claim(claim, "").mint(), Refusal::Claim(Empty(claim))));
        for value in [json!(1), json!({ "a": 1 }), Value::Null, json!(true)] {
            let name = format!("{claim} is {value}");
            cases.push(case(&name, good(issuer).claim(claim, value).mint(), Refusal::Claim(Mistyped(claim))));
        }
    }
    for claim in ["iat", "exp", "nbf", "ver", "cver", "auth_time"] {
        for value in [json!("1800000000"), json!(1.5), json!(u64::MAX), json!([1]), Value::Null, json!(false)] {
            let name = format!("{claim} is {value}");
            cases.push(case(&name, good(issuer).claim(claim, value).mint(), Refusal::Claim(Mistyped(claim))));
        }
    }
    cases
}

fn nested() -> String {
    format!("{{\"x\":{}{},", "[".repeat(500), "]".repeat(500))
}

/// Well-formed claims that say the wrong thing.
pub(super) fn meanings(issuer: &TestIssuer) -> Vec<Mutation> {
    let at = |seconds: i64| json!(now().timestamp() + seconds);
    let bad: [(&str, Value, Refusal); 27] = [
        ("iss", json!("http://127.0.0.1:8001/"), Refusal::Issuer),
        ("iss", json!("HTTP://127.0.0.1:8001"), Refusal::Issuer),
        ("iss", json!("http://127.0.0.1:8001.evil.example"), Refusal::Issuer),
        ("iss", json!("http://127.0.0.1:8000"), Refusal::Issuer),
        ("iss", json!(["http://127.0.0.1:8001"]), Refusal::Claim(Mistyped("iss"))),
        ("aud", json!("http://127.0.0.1:8000/"), Refusal::Audience),
        ("aud", json!("http://127.0.0.1:8001"), Refusal::Audience),
        ("aud", json!("http://127.0.0.1:8000 http://127.0.0.1:8001"), Refusal::Audience),
        ("aud", json!(["a", "b"]), Refusal::Audience),
        ("aud", json!([]), Refusal::Claim(Empty("aud"))),
        ("aud", json!(["http://127.0.0.1:8000", 1]), Refusal::Claim(Mistyped("aud"))),
        ("aud", json!(["http://127.0.0.1:8000", ""]), Refusal::Claim(Empty("aud"))),
        ("exp", at(-5), Refusal::Expired { seconds: 5 }),
        ("exp", at(-900), Refusal::Expired { seconds: 900 }),
        ("exp", json!(0), Refusal::Expired { seconds: now().timestamp() }),
        ("exp", json!(-1), Refusal::Expired { seconds: now().timestamp() + 1 }),
        ("exp", json!(i64::MIN), Refusal::Expired { seconds: i64::MAX }),
        ("exp", at(-1), Refusal::Lifetime),
        ("iat", at(6), Refusal::IssuedInFuture { seconds: 6 }),
        ("iat", json!(i64::MAX), Refusal::IssuedInFuture { seconds: i64::MAX - now().timestamp() }),
        ("nbf", at(6), Refusal::NotYetValid { seconds: 6 }),
        ("nbf", json!(i64::MAX), Refusal::NotYetValid { seconds: i64::MAX - now().timestamp() }),
        ("scope", json!(["movies:read"]), Refusal::Claim(Mistyped("scope"))),
        ("scope", Value::Null, Refusal::Claim(Mistyped("scope"))),
        ("scope", json!("movies:read  email"), Refusal::Claim(Scope)),
        ("scope", json!("movies:read\u{a0}email"), Refusal::Claim(Scope)),
        ("cnf", json!({ "jkt": "AAAA" }), Refusal::Claim(Confirmation)),
    ];
    bad.into_iter()
        .map(|(claim, value, refusal)| {
            case(&format!("{claim} {value}"), good(issuer).claim(claim, value).mint(), refusal)
        })
        .collect()
}
