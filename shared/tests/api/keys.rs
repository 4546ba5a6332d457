//! Which keys are taken, under which name. T26, M06, M09.

use rstest::rstest;
use serde_json::{Value, json};
use shared::testing::TestIssuer;
use shared::token::keys::{Algorithm, KeyError, KeySet, VerifyingKey};

/// RFC 7638 section 3.1.
const RFC7638_N: &str = "\
    0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok\
    njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu\
    6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a\
    wapJzKnqDKgw";
/// RFC 7517 appendix A.1.
const P256_X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
const P256_Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";
/// RFC 8037 appendix A.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn read(jwk: &Value) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_jwk(jwk.to_string().as_bytes())
}

fn p256() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y })
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "n": RFC7638_N, "e": "AQAB" })
}

fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": ED25519_X })
}

/// The key with one member set; `null` takes it away.
fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(jwk.as_object_mut().unwrap().remove(member)),
        value => drop(jwk.as_object_mut().unwrap().insert(member.to_owned(), value)),
    }
    jwk
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let rfc7638 = with(with(rsa(), "alg", json!("RS256")), "kid", json!("2011-04-29"));
    let key = read(&rfc7638).unwrap();
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(key.kid(), "2011-04-29");
    // RFC 8037 appendix A.3.
    assert_eq!(read(&ed25519()).unwrap().kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[rstest]
#[case::small_rsa(with(rsa(), "n", json!(&RFC7638_N[..172])))]
#[case::even_modulus(with(rsa(), "n", json!(format!("{}A", &RFC7638_N[..341]))))]
#[case::leading_zero(with(rsa(), "n", json!(format!("AAAA{RFC7638_N}"))))]
#[case::huge_rsa(with(rsa(), "n", json!(RFC7638_N.repeat(5))))]
#[case::exponent_1(with(rsa(), "e", json!("AQ")))]
#[case::exponent_even(with(rsa(), "e", json!("AQAC")))]
#[case::exponent_zero(with(rsa(), "e", json!("AA")))]
#[case::exponent_huge(with(rsa(), "e", json!(&RFC7638_N[..44])))]
#[case::off_curve(with(p256(), "y", json!(P256_X)))]
#[case::infinity(with(with(p256(), "x", json!("A".repeat(43))), "y", json!("A".repeat(43))))]
#[case::short_coordinate(with(p256(), "x", json!(&P256_X[..40])))]
#[case::long_coordinate(with(p256(), "x", json!(format!("AAAA{P256_X}"))))]
#[case::ed_short(with(ed25519(), "x", json!(&ED25519_X[..40])))]
#[case::ed_zero(with(ed25519(), "x", json!("A".repeat(43))))]
#[case::ed_identity(with(ed25519(), "x", json!(format!("AQ{}", "A".repeat(41)))))]
#[case::ed_identity_signed(with(ed25519(), "x", json!(format!("AQ{}IA", "A".repeat(39)))))]
#[case::ed_minus_one(with(ed25519(), "x", json!("7P_______________________________________38")))]
#[case::ed_order_8(with(ed25519(), "x", json!("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU")))]
#[case::ed_order_8_other(with(ed25519(), "x", json!("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o")))]
#[case::ed_wrapped(with(ed25519(), "x", json!("7f_______________________________________38")))]
fn m09_weak_keys_are_refused(#[case] jwk: Value) {
    let refused = read(&jwk);
    assert!(matches!(refused, Err(KeyError::Weak(_))), "{refused:?}");
    let set = json!({ "keys": [p256(), jwk] });
    assert!(KeySet::from_jwks(set.to_string().as_bytes()).is_err(), "one weak key refuses the set");
}

#[rstest]
#[case(json!({ "kty": "oct" }))]
#[case(json!({ "kty": "oct", "alg": "HS256", "k": "AAAA" }))]
#[case(with(p256(), "d", json!("AAAA")))]
#[case(with(ed25519(), "d", json!("AAAA")))]
#[case(with(rsa(), "p", json!("AAAA")))]
#[case(with(rsa(), "qi", json!("AAAA")))]
#[case(with(rsa(), "oth", json!([])))]
#[case(with(with(rsa(), "use", json!("enc")), "d", json!(1)))]
fn m06_private_members_are_refused(#[case] jwk: Value) {
    assert_eq!(read(&jwk), Err(KeyError::Private));
    let set = json!({ "keys": [p256(), jwk] });
    assert_eq!(KeySet::from_jwks(set.to_string().as_bytes()), Err(KeyError::Private));
}

#[rstest]
#[case::hs256(with(rsa(), "alg", json!("HS256")))]
#[case::none(with(p256(), "alg", json!("none")))]
#[case::ps256(with(rsa(), "alg", json!("PS256")))]
#[case::encryption(with(rsa(), "use", json!("enc")))]
#[case::sign_only(with(rsa(), "key_ops", json!(["sign"])))]
#[case::curve(with(p256(), "crv", json!("P-384")))]
#[case::koblitz(with(p256(), "crv", json!("secp256k1")))]
#[case::x25519(with(ed25519(), "crv", json!("X25519")))]
#[case::unknown_type(json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }))]
fn t26_other_keys_are_left_out(#[case] jwk: Value) {
    assert!(matches!(read(&jwk), Err(KeyError::Unsupported(_))));
    let set = json!({ "keys": [jwk, p256()] });
    let set = KeySet::from_jwks(set.to_string().as_bytes()).unwrap();
    assert_eq!(set.len(), 1);
    let alone = json!({ "keys": [jwk] });
    assert_eq!(KeySet::from_jwks(alone.to_string().as_bytes()), Err(KeyError::Empty));
}

#[rstest]
#[case(with(p256(), "alg", json!("RS256")), KeyError::Mismatch)]
#[case(with(rsa(), "alg", json!("ES256")), KeyError::Mismatch)]
#[case(with(p256(), "kty", Value::Null), KeyError::Member("kty"))]
#[case(with(p256(), "x", Value::Null), KeyError::Member("x"))]
#[case(with(p256(), "x", json!(1)), KeyError::Member("x"))]
#[case(with(p256(), "x", json!(format!("{P256_X}="))), KeyError::Member("x"))]
#[case(with(p256(), "x", json!("")), KeyError::Member("x"))]
#[case(with(p256(), "kid", json!("")), KeyError::Member("kid"))]
#[case(with(p256(), "kid", json!(7)), KeyError::Member("kid"))]
#[case(with(ed25519(), "x", json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp")), KeyError::Member("x"))]
fn malformed_keys_are_refused(#[case] jwk: Value, #[case] reason: KeyError) {
    assert_eq!(read(&jwk), Err(reason));
}

#[test]
fn m06_sets_have_one_key_for_each_name() {
    let twice = json!({ "keys": [with(p256(), "kid", json!("a")), with(rsa(), "kid", json!("a"))] });
    assert_eq!(KeySet::from_jwks(twice.to_string().as_bytes()), Err(KeyError::Duplicate("a".to_owned())));
    let same = json!({ "keys": [p256(), p256()] });
    assert!(matches!(KeySet::from_jwks(same.to_string().as_bytes()), Err(KeyError::Duplicate(_))));
    let hidden = json!({ "keys": [with(p256(), "kid", json!("a")), { "kty": "AKP", "kid": "a" }] });
    assert!(matches!(KeySet::from_jwks(hidden.to_string().as_bytes()), Err(KeyError::Duplicate(_))));
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#, "<html></html>"] {
        assert!(matches!(KeySet::from_jwks(text.as_bytes()), Err(KeyError::Json(_))), "{text}");
    }
    assert_eq!(KeySet::from_jwks(br#"{"keys":[]}"#), Err(KeyError::Empty));
}

#[rstest]
#[case(Algorithm::Es256, &["alg", "crv", "kid", "kty", "use", "x", "y"])]
#[case(Algorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"])]
#[case(Algorithm::Rs256, &["alg", "e", "kid", "kty", "n", "use"])]
fn m06_what_is_published_is_public_and_survives_the_way(#[case] algorithm: Algorithm, #[case] members: &[&str]) {
    let issuer = TestIssuer::new(algorithm);
    let published: Value = serde_json::from_slice(&issuer.jwks()).unwrap();
    let mut names: Vec<&str> = published["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, members);
    assert_eq!(published["keys"][0]["use"], json!("sig"));
    assert_eq!(published["keys"][0]["alg"], json!(algorithm.as_str()));
    assert_eq!(KeySet::from_jwks(&issuer.jwks()).unwrap(), issuer.key_set());
    assert_eq!(&VerifyingKey::from_pem(&issuer.public_pem()).unwrap(), issuer.public_key());
}

#[test]
fn m06_the_order_is_that_of_the_names() {
    let keys = ["c", "a", "b"].map(|kid| read(&with(p256(), "kid", json!(kid))).unwrap());
    let published = serde_json::to_value(KeySet::new(keys).unwrap().to_jwks()).unwrap();
    let kids: Vec<&str> = published["keys"].as_array().unwrap().iter().filter_map(|key| key["kid"].as_str()).collect();
    assert_eq!(kids, ["a", "b", "c"]);
}

#[test]
fn pem_files_hold_public_keys_only() {
    let (one, other) = (TestIssuer::es256(), TestIssuer::new(Algorithm::EdDsa));
    let both = format!("the old one\n{}\nthe new one\r\n{}", one.public_pem(), other.public_pem());
    let set = KeySet::from_pem(&both).unwrap();
    assert!(set.find(one.public_key().kid()).is_some() && set.find(other.public_key().kid()).is_some());
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let issuer = TestIssuer::new(algorithm);
        assert_eq!(KeySet::from_pem(issuer.private_pem()), Err(KeyError::Private));
        let hidden = format!("{}{}", issuer.public_pem(), issuer.private_pem());
        assert_eq!(KeySet::from_pem(&hidden), Err(KeyError::Private));
        let cut = issuer.public_pem().replace("-----END PUBLIC KEY-----", "");
        assert!(matches!(KeySet::from_pem(&cut), Err(KeyError::Pem(_))));
    }
    for label in ["EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        let block = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        assert_eq!(KeySet::from_pem(&block), Err(KeyError::Private), "{label}");
    }
    for label in ["CERTIFICATE", "RSA PUBLIC KEY", "PUBLIC KEY", "EC PARAMETERS"] {
        let block = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        assert!(matches!(KeySet::from_pem(&block), Err(KeyError::Pem(_))), "{label}");
    }
    assert!(matches!(KeySet::from_pem(""), Err(KeyError::Pem(_))));
    assert!(matches!(KeySet::from_pem(&one.public_pem().repeat(2)), Err(KeyError::Duplicate(_))));
}
