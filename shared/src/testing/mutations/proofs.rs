//! A good DPoP proof, changed in every way that forgers and broken clients are known for: each has to be refused, for its
//! own reason. T31.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{TestIssuer, TokenBuilder, segments};
use crate::token::dpop::ProofRefusal::{self as No, *};
use crate::token::keys::{Algorithm, KeyError};

/// What was done, the proof, and why it is refused.
pub type Mutation = (String, String, No);

/// The request that the unchanged proof is for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a str,
    /// Where it goes.
    pub address: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

/// All of them: more than 60, of proofs that the holder of `key` would have made for `request`.
#[must_use]
pub fn all(key: &TestIssuer, request: Request<'_>) -> Vec<Mutation> {
    let good = || key.proof(request.method, request.address, request.now);
    let cases = [shapes(&good().mint()), headers(&good), keys(key, &good), claims(&good, request)].concat();
    cases.into_iter().map(|(name, proof, refusal)| (name.to_owned(), proof, refusal)).collect()
}

type Case = (&'static str, String, No);

fn shapes(good: &str) -> Vec<Case> {
    let [header, payload, signature] = segments(good);
    let garbage = URL_SAFE_NO_PAD.encode("[]");
    let twice = URL_SAFE_NO_PAD.encode(r#"{"jti":"a","jti":"b","htm":"POST","htu":"http://a","iat":1}"#);
    vec![
        ("empty", String::new(), Segments),
        ("a word", "proof".to_owned(), Segments),
        ("no signature", format!("{header}.{payload}"), Segments),
        ("an empty signature", format!("{header}.{payload}."), Segments),
        ("an empty header", format!(".{payload}.{signature}"), Segments),
        ("an empty payload", format!("{header}..{signature}"), Segments),
        ("four segments", format!("{good}.{signature}"), Segments),
        ("padding", format!("{header}=.{payload}.{signature}"), Malformed),
        ("white space", format!("{header} .{payload}.{signature}"), Malformed),
        ("two in one", format!("{good},{good}"), Segments),
        ("a header that is a list", format!("{garbage}.{payload}.{signature}"), Malformed),
        ("a payload that is a list", format!("{header}.{garbage}.{signature}"), Malformed),
        ("a claim twice", format!("{header}.{twice}.{signature}"), Malformed),
        ("a padded signature", format!("{good}="), Malformed),
        ("a short signature", format!("{header}.{payload}.{}", "A".repeat(64)), Signature),
        ("a long signature", format!("{good}AAAA"), Signature),
        ("another signature", format!("{header}.{payload}.{}", "A".repeat(signature.len())), Signature),
        ("nine kilobytes", format!("{good}{}", "A".repeat(9 * 1024)), TooLong),
    ]
}

fn headers<'a>(good: &dyn Fn() -> TokenBuilder<'a>) -> Vec<Case> {
    let with = |name: &str, value: Value| good().header(name, value).mint();
    vec![
        ("no typ", good().without_header("typ").mint(), Type),
        ("an access token's typ", with("typ", json!("at+jwt")), Type),
        ("typ JWT", with("typ", json!("JWT")), Type),
        ("typ in capitals", with("typ", json!("DPOP+JWT")), Type),
        ("typ that is a list", with("typ", json!(["dpop+jwt"])), Type),
        ("no alg", good().without_header("alg").mint(), Algorithm),
        ("alg none", with("alg", json!("none")), Algorithm),
        ("alg HS256", with("alg", json!("HS256")), Algorithm),
        ("alg ES384", with("alg", json!("ES384")), Algorithm),
        ("alg in small letters", with("alg", json!("es256")), Algorithm),
        ("alg null", with("alg", Value::Null), Algorithm),
        ("critical extensions", with("crit", json!(["b64"])), HeaderMember),
        ("an unencoded payload", with("b64", json!(false)), HeaderMember),
        ("a key's address", with("jku", json!("https://a.example/keys")), HeaderMember),
        ("a certificate", with("x5c", json!(["AAAA"])), HeaderMember),
    ]
}

fn keys<'a>(key: &TestIssuer, good: &dyn Fn() -> TokenBuilder<'a>) -> Vec<Case> {
    let jwk = || serde_json::to_value(&key.public_key().jwk().params).unwrap();
    let with = |name: &str, value: Value| {
        let mut jwk = jwk();
        jwk[name] = value;
        good().header("jwk", jwk).mint()
    };
    let mismatched = TestIssuer::new(match key.public_key().algorithm() {
        Algorithm::Es256 => Algorithm::EdDsa,
        Algorithm::EdDsa | Algorithm::Rs256 => Algorithm::Es256,
    });
    let other_kind = serde_json::to_value(&mismatched.public_key().jwk().params).unwrap();
    let stranger = TestIssuer::new(key.public_key().algorithm());
    let strangers = serde_json::to_value(&stranger.public_key().jwk().params).unwrap();
    let member = |name| Key(KeyError::Member(name));
    let small_rsa = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" });
    let weak = Key(KeyError::Weak("the RSA modulus has fewer than 2048 bits"));
    let off_curve = json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 32]), "y": URL_SAFE_NO_PAD.encode([1; 32]) });
    let small_order = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([0; 32]) });
    vec![
        ("no jwk", good().without_header("jwk").mint(), member("jwk")),
        ("a jwk that is a text", good().header("jwk", "{}").mint(), member("jwk")),
        ("an empty jwk", good().header("jwk", json!({})).mint(), member("kty")),
        ("a private key", with("d", json!("AAAA")), Key(KeyError::Private)),
        ("a symmetric key", good().header("jwk", json!({ "kty": "oct", "k": "AAAA" })).mint(), Key(KeyError::Private)),
        ("another type of key", good().header("jwk", other_kind).mint(), KeyAlgorithm),
        ("another key", good().header("jwk", strangers).mint(), Signature),
        ("a key for encryption", with("use", json!("enc")), Key(KeyError::Unsupported("use enc".to_owned()))),
        ("a small RSA key", good().header("jwk", small_rsa).mint(), weak),
        (
            "a point off the curve",
            good().header("jwk", off_curve).mint(),
            Key(KeyError::Weak("the point is not on P-256")),
        ),
        (
            "a point of small order",
            good().header("jwk", small_order).mint(),
            Key(KeyError::Weak("the Ed25519 point has a small order")),
        ),
    ]
}

fn claims<'a>(good: &dyn Fn() -> TokenBuilder<'a>, request: Request<'_>) -> Vec<Case> {
    let with = |name: &str, value: Value| good().claim(name, value).mint();
    let without = |name: &str| good().without_claim(name).mint();
    let at = |seconds: i64| json!(request.now.timestamp() + seconds);
    let other_method = if request.method == "POST" { "GET" } else { "POST" };
    let (scheme, rest) = request.address.split_once("://").unwrap();
    vec![
        ("no jti", without("jti"), Claim("jti")),
        ("an empty jti", with("jti", json!("")), Claim("jti")),
        ("a jti that is a number", with("jti", json!(1)), Claim("jti")),
        ("a jti of 257 bytes", with("jti", json!("a".repeat(257))), Claim("jti")),
        ("no htm", without("htm"), Claim("htm")),
        ("another method", with("htm", json!(other_method)), Method),
        ("the method in small letters", with("htm", json!(request.method.to_ascii_lowercase())), Method),
        ("no htu", without("htu"), Claim("htu")),
        ("another host", with("htu", json!(format!("{scheme}://evil.example/token"))), Address),
        ("another path", with("htu", json!(format!("{}/x", request.address))), Address),
        ("another scheme", with("htu", json!(format!("{scheme}s://{rest}"))), Address),
        ("a path alone", with("htu", json!("/token")), Address),
        ("somebody in the address", with("htu", json!(format!("{scheme}://user@{rest}"))), Address),
        ("no iat", without("iat"), Claim("iat")),
        ("iat as a text", with("iat", json!(request.now.timestamp().to_string())), Claim("iat")),
        ("iat with a fraction", with("iat", json!(1.5)), Claim("iat")),
        ("iat null", with("iat", Value::Null), Claim("iat")),
        ("121 s old", with("iat", at(-121)), Stale { seconds: 121 }),
        ("an hour old", with("iat", at(-3600)), Stale { seconds: 3600 }),
        ("6 s ahead", with("iat", at(6)), Future { seconds: 6 }),
        (
            "milliseconds",
            with("iat", json!(request.now.timestamp_millis())),
            Future { seconds: request.now.timestamp_millis() - request.now.timestamp() },
        ),
        ("ended", with("exp", at(-6)), Stale { seconds: 0 }),
        ("exp as a text", with("exp", json!("1")), Claim("exp")),
        ("an empty nonce", with("nonce", json!("")), Claim("nonce")),
        ("a nonce that is a number", with("nonce", json!(1)), Claim("nonce")),
        ("ath that is a list", with("ath", json!([])), Claim("ath")),
    ]
}
