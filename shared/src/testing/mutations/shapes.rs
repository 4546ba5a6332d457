//! The token's shape and its header.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::token::verifier::Refusal;

use super::{Mutation, case, good, segments};
use crate::testing::TestIssuer;

/// Size, segments and encodings.
pub(super) fn shapes(issuer: &TestIssuer) -> Vec<Mutation> {
    let token = good(issuer).mint();
    let [h, p, s] = segments(&token);
    let standard = STANDARD_NO_PAD.encode(URL_SAFE_NO_PAD.decode(p).unwrap());
    let stray = format!(
        "{}{}",
        &s[..s.len() - 1],
        if s.ends_with('A') { 'B' } else { char::from(s.as_bytes()[s.len() - 1] + 1) }
    );
    vec![
        case("one segment", h.to_owned(), Refusal::Segments),
        case("two segments", format!("{h}.{p}"), Refusal::Segments),
        case("no signature", format!("{h}.{p}."), Refusal::Segments),
        case("no header", format!(".{p}.{s}"), Refusal::Segments),
        case("no payload", format!("{h}..{s}"), Refusal::Segments),
        case("dots alone", "..".to_owned(), Refusal::Segments),
        case("a fourth segment", format!("{token}.{s}"), Refusal::Segments),
        case("a trailing dot", format!("{token}."), Refusal::Segments),
        case("five segments as in JWE", format!("{h}.{p}.{s}.{p}.{s}"), Refusal::Segments),
        case("too long", good(issuer).claim("pad", "x".repeat(8192)).mint(), Refusal::TooLong),
        case("padded signature", format!("{token}=="), Refusal::Encoding),
        case("standard alphabet", format!("{h}.{standard}+/.{s}"), Refusal::Encoding),
        case(
            "one character too many",
            format!("{token}A"),
            if s.len() % 4 == 0 { Refusal::Encoding } else { Refusal::SignatureLength },
        ),
        case("stray bits at the end", stray_signature(h, p, s, &stray), Refusal::Encoding),
        case("a tilde in the payload", format!("{h}.{p}~.{s}"), Refusal::Encoding),
    ]
}

fn stray_signature(h: &str, p: &str, s: &str, stray: &str) -> String {
    assert_ne!(s.len() % 4, 0, "signatures of 64 and 256 bytes leave bits over");
    format!("{h}.{p}.{stray}")
}

/// Header JSON, `typ`, `alg`, `kid`, `crit` and keys inside.
pub(super) fn headers(issuer: &TestIssuer) -> Vec<Mutation> {
    let payload = good(issuer).payload_text();
    let header = good(issuer).header_text();
    let raw = |text: &str| issuer.mint_raw(text, &payload);
    let alg = format!("\"alg\":\"{}\"", issuer.public_key().algorithm());
    let mut cases = vec![
        case("header is a list", raw("[]"), Refusal::HeaderMalformed),
        case("header is text", raw("\"at+jwt\""), Refusal::HeaderMalformed),
        case("header is not JSON", raw("at+jwt"), Refusal::HeaderMalformed),
        case("header is cut", raw(&header[..header.len() - 1]), Refusal::HeaderMalformed),
        case("header twice", raw(&format!("{header}{header}")), Refusal::HeaderMalformed),
        case("header with a byte-order mark", raw(&format!("\u{feff}{header}")), Refusal::HeaderMalformed),
        case("header is empty", raw("{}"), Refusal::Type),
        case("alg twice", raw(&header.replacen('{', &format!("{{{alg},"), 1)), Refusal::DuplicateMember),
        case("alg twice, once none", raw(&header.replacen('{', "{\"alg\":\"none\",", 1)), Refusal::DuplicateMember),
        case(
            "alg twice, once escaped",
            raw(&header.replacen('{', "{\"\\u0061lg\":\"none\",", 1)),
            Refusal::DuplicateMember,
        ),
    ];
    for (member, value, refusal) in members(issuer) {
        cases.push(case(&format!("{member} {value}"), good(issuer).header(member, value).mint(), refusal));
    }
    for (member, refusal) in [("typ", Refusal::Type), ("alg", Refusal::Algorithm), ("kid", Refusal::KeyMissing)] {
        cases.push(case(&format!("no {member}"), good(issuer).without_header(member).mint(), refusal));
    }
    cases.extend(unknown_kids(issuer));
    cases
}

/// Header members that are not what they should be.
fn members(issuer: &TestIssuer) -> [(&'static str, Value, Refusal); 34] {
    [
        ("typ", json!("JWT"), Refusal::Type),
        ("typ", json!("at+jwt "), Refusal::Type),
        ("typ", json!("at+jwt; a=b"), Refusal::Type),
        ("typ", json!("x/at+jwt"), Refusal::Type),
        ("typ", json!("application/jwt"), Refusal::Type),
        ("typ", json!("rt+jwt"), Refusal::Type),
        ("typ", json!("logout+jwt"), Refusal::Type),
        ("typ", json!("dpop+jwt"), Refusal::Type),
        ("typ", json!(["at+jwt"]), Refusal::Type),
        ("typ", Value::Null, Refusal::Type),
        ("alg", json!("none"), Refusal::Algorithm),
        ("alg", json!("nOnE"), Refusal::Algorithm),
        ("alg", json!(""), Refusal::Algorithm),
        ("alg", json!("HS256"), Refusal::Algorithm),
        ("alg", json!("ES384"), Refusal::Algorithm),
        ("alg", json!("ES256K"), Refusal::Algorithm),
        ("alg", json!("PS256"), Refusal::Algorithm),
        ("alg", json!("RS512"), Refusal::Algorithm),
        ("alg", json!("es256"), Refusal::Algorithm),
        ("alg", json!(256), Refusal::Algorithm),
        ("alg", json!(["ES256"]), Refusal::Algorithm),
        ("alg", Value::Null, Refusal::Algorithm),
        ("kid", json!(""), Refusal::KeyMissing),
        ("kid", json!(1), Refusal::KeyMissing),
        ("kid", Value::Null, Refusal::KeyMissing),
        ("kid", json!([issuer.public_key().kid()]), Refusal::KeyMissing),
        ("crit", json!([]), Refusal::Critical),
        ("crit", json!(["exp"]), Refusal::Critical),
        ("crit", json!(["b64"]), Refusal::Critical),
        ("crit", Value::Null, Refusal::Critical),
        ("jwk", serde_json::to_value(issuer.public_key().jwk()).unwrap(), Refusal::EmbeddedKey),
        ("jku", json!("http://127.0.0.1:8001/.well-known/jwks.json"), Refusal::EmbeddedKey),
        ("x5u", json!("http://127.0.0.1:8001/x5u"), Refusal::EmbeddedKey),
        ("x5c", json!(["AAAA"]), Refusal::EmbeddedKey),
    ]
}

fn unknown_kids(issuer: &TestIssuer) -> Vec<Mutation> {
    let kid = issuer.public_key().kid();
    let swapped: String =
        kid.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    let kids = [
        "../../../../dev/null",
        "x' or '1'='1",
        "0",
        "\0",
        &swapped,
        &format!("{kid} "),
        &format!("{kid}\0"),
        &kid[1..],
    ];
    let unknown = |kid: &str| Refusal::KeyUnknown { kid: kid.to_owned() };
    kids.iter()
        .map(|kid| case(&format!("kid {kid:?}"), good(issuer).header("kid", *kid).mint(), unknown(kid)))
        .collect()
}
