//! Imported keys: M09, M10, and each library verifying what the other signed.
//!
//! The files in `keys_weak` were made with OpenSSL to be refused; none of them was ever used.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use auth_server::keys::{self, KekRing, KeysError, NewKey, SigningKeys};
use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use jwt_simple::prelude::{
    Claims, Duration, ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair, Ed25519KeyPair as SimpleEd25519,
    EdDSAKeyPairLike, EdDSAPublicKeyLike, NoCustomClaims,
};
use serde_json::{Value, json};
use shared::db::Pool;
use shared::token::keys::VerifyingKey;

use crate::keys::{header, now, ring};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

async fn import(pool: &Pool, keks: &KekRing, pem: &str) -> Result<String, KeysError> {
    Ok(keys::import(pool, keks, pem, &NewKey::default(), now()).await?.key.kid)
}

/// What each library needs to verify tokens of the active key, as another service would get it.
async fn sign_and_export(pool: &Pool, keks: &KekRing) -> (String, VerifyingKey) {
    let keys = SigningKeys::load(pool.clone(), keks.clone()).await.unwrap();
    let token = keys.sign(&json!({ "sub": "someone" })).unwrap();
    let public = keys::export_public(pool, None).await.unwrap();
    assert_eq!(header(&token), json!({ "typ": "at+jwt", "alg": public.algorithm().as_str(), "kid": public.kid() }));
    (token, public)
}

fn verify_with_jsonwebtoken(token: &str, public: &VerifyingKey) {
    let pem = public.to_pem().unwrap();
    let (algorithm, from_pem) = match public.algorithm().as_str() {
        "ES256" => (jsonwebtoken::Algorithm::ES256, DecodingKey::from_ec_pem(pem.as_bytes())),
        "EdDSA" => (jsonwebtoken::Algorithm::EdDSA, DecodingKey::from_ed_pem(pem.as_bytes())),
        _ => (jsonwebtoken::Algorithm::RS256, DecodingKey::from_rsa_pem(pem.as_bytes())),
    };
    let jwk = serde_json::from_value(serde_json::to_value(public.jwk()).unwrap()).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    for key in [from_pem.unwrap(), DecodingKey::from_jwk(&jwk).unwrap()] {
        let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
        assert_eq!(decoded.claims["sub"], "someone");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_es256_key_of_either_library_signs_for_both(pool: Pool) {
    let (simple, keks) = (ES256KeyPair::generate(), ring());
    let kid = import(&pool, &keks, &simple.to_pem().unwrap()).await.unwrap();
    assert_eq!(kid, simple.jwk_thumbprint());
    let (token, public) = sign_and_export(&pool, &keks).await;
    verify_with_jsonwebtoken(&token, &public);
    simple.public_key().verify_token::<NoCustomClaims>(&token, None).unwrap();
    assert_eq!(public.to_pem().unwrap(), simple.public_key().to_pem().unwrap());

    let theirs = simple.sign(Claims::create(Duration::from_mins(1)).with_subject("someone")).unwrap();
    verify_with_jsonwebtoken(&theirs, &public);
    let key = EncodingKey::from_ec_pem(simple.to_pem().unwrap().as_bytes()).unwrap();
    let theirs = jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::ES256), &json!({}), &key).unwrap();
    simple.public_key().verify_token::<NoCustomClaims>(&theirs, None).unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_eddsa_key_of_either_library_signs_for_both(pool: Pool) {
    let (simple, keks) = (SimpleEd25519::generate(), ring());
    let kid = import(&pool, &keks, &simple.to_pem()).await.unwrap();
    assert_eq!(kid, simple.jwk_thumbprint());
    let (token, public) = sign_and_export(&pool, &keks).await;
    verify_with_jsonwebtoken(&token, &public);
    simple.public_key().verify_token::<NoCustomClaims>(&token, None).unwrap();

    let theirs = simple.sign(Claims::create(Duration::from_mins(1)).with_subject("someone")).unwrap();
    verify_with_jsonwebtoken(&theirs, &public);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn rsa_keys_in_pkcs8_and_pkcs1_are_one_key_and_sign(pool: Pool) {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let keks = ring();
    let kid = import(&pool, &keks, &pem("PRIVATE KEY", pkcs8.as_ref())).await.unwrap();
    let (token, public) = sign_and_export(&pool, &keks).await;
    verify_with_jsonwebtoken(&token, &public);

    // A PKCS#8 key of this size is 26 bytes of head and then the PKCS#1 key.
    let pkcs1 = pem("RSA PRIVATE KEY", &pkcs8.as_ref()[26..]);
    match import(&pool, &keks, &pkcs1).await {
        Err(KeysError::KidTaken(taken)) => assert_eq!(taken, kid),
        other => panic!("{other:?}"),
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_ec_key_in_sec1_after_its_parameters_is_imported(pool: Pool) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let sec1: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
    let parameters = pem("EC PARAMETERS", &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    let keks = ring();
    import(&pool, &keks, &format!("{parameters}{}", pem("EC PRIVATE KEY", sec1.as_ref()))).await.unwrap();
    let (token, public) = sign_and_export(&pool, &keks).await;
    verify_with_jsonwebtoken(&token, &public);
}

#[rstest::rstest]
#[case::rsa_1024(include_str!("keys_weak/rsa_1024.pem"), "fewer than 2048 bits")]
#[case::rsa_exponent_1(include_str!("keys_weak/rsa_exponent_1.pem"), "RS256 key is damaged")]
#[case::rsa_exponent_3(include_str!("keys_weak/rsa_exponent_3.pem"), "exponent is below 65537")]
#[case::rsa_exponent_even(include_str!("keys_weak/rsa_exponent_even.pem"), "RS256 key is damaged")]
#[case::rsa_pss(include_str!("keys_weak/rsa_pss.pem"), "does not sign here")]
#[case::dsa(include_str!("keys_weak/dsa.pem"), "does not sign here")]
#[case::ed448(include_str!("keys_weak/ed448.pem"), "does not sign here")]
#[case::x25519(include_str!("keys_weak/x25519.pem"), "does not sign here")]
#[case::ec_p384(include_str!("keys_weak/ec_p384.pem"), "P-256")]
#[case::ec_p384_sec1(include_str!("keys_weak/ec_p384_sec1.pem"), "P-256")]
#[case::ec_secp256k1(include_str!("keys_weak/ec_secp256k1.pem"), "P-256")]
#[case::ec_other_generator(include_str!("keys_weak/ec_other_generator.pem"), "P-256")]
#[case::encrypted_pkcs8(include_str!("keys_weak/encrypted_pkcs8.pem"), "passphrase")]
#[case::encrypted_traditional(include_str!("keys_weak/encrypted_traditional.pem"), "passphrase")]
#[case::off_curve(&ec_with_altered_point(false), "ES256 key is damaged")]
#[case::point_of_another_key(&ec_with_altered_point(true), "ES256 key is damaged")]
#[case::small_order(&ed25519_with_public([0; 32]), "EdDSA key is damaged")]
#[case::identity(&ed25519_with_public({ let mut one = [0; 32]; one[0] = 1; one }), "EdDSA key is damaged")]
#[case::cut(&pem("PRIVATE KEY", &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70]), "damaged")]
#[case::nothing("", "no private key")]
#[tokio::test]
async fn m09_weak_and_broken_keys_are_refused(#[case] pem: &str, #[case] reason: &str) {
    // The refusal comes before the database is asked.
    let nowhere = sqlx::postgres::PgPoolOptions::new()
        .acquire_timeout(std::time::Duration::from_millis(10))
        .connect_lazy("postgres://nobody@127.0.0.1:1/none")
        .unwrap();
    let refused = import(&nowhere, &ring(), pem).await.unwrap_err();
    assert!(matches!(refused, KeysError::Import(_)), "{refused:?}");
    assert!(refused.to_string().contains(reason), "{refused}");
}

/// A P-256 key whose public point is off the curve, or the point of another key.
fn ec_with_altered_point(of_another_key: bool) -> String {
    let [key, other] = [(); 2].map(|()| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
    let mut der = key.to_pkcs8v1().unwrap().as_ref().to_vec();
    let at = der.len() - 65;
    assert_eq!(&der[at..], key.public_key().as_ref());
    if of_another_key {
        der[at..].copy_from_slice(other.public_key().as_ref());
    } else {
        der[at + 64] ^= 1;
    }
    pem("PRIVATE KEY", &der)
}

/// A PKCS#8 version 2 key (RFC 5958) that carries a public half which is not its own.
fn ed25519_with_public(public: [u8; 32]) -> String {
    let key = Ed25519KeyPair::generate().unwrap();
    let mut der = key.to_pkcs8().unwrap().as_ref().to_vec();
    let at = der.len() - 32;
    assert_eq!(&der[at..], key.public_key().as_ref());
    der[at..].copy_from_slice(&public);
    pem("PRIVATE KEY", &der)
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m09_a_kid_is_the_thumbprint_unless_it_is_asked_for_and_never_given_twice(pool: Pool) {
    let (one, other, keks) = (ES256KeyPair::generate(), ES256KeyPair::generate(), ring());
    let named = NewKey { kid: Some("web-2027".parse().unwrap()), activate: false };
    let made = keys::import(&pool, &keks, &one.to_pem().unwrap(), &named, now()).await.unwrap();
    assert_eq!(made.key.kid, "web-2027");
    let again = keys::import(&pool, &keks, &other.to_pem().unwrap(), &named, now()).await.unwrap_err();
    assert_eq!(again.to_string(), "there is already a signing key web-2027");
    assert_eq!(keys::list(&pool).await.unwrap().len(), 1);
    for bad in ["", "two words", "\"", "ü", &"k".repeat(129)] {
        bad.parse::<keys::KeyId>().unwrap_err();
    }
}

#[rstest::rstest]
#[case(0o600, true)]
#[case(0o400, true)]
#[case(0o640, false)]
#[case(0o604, false)]
#[case(0o620, false)]
#[case(0o644, false)]
fn m10_a_private_file_is_read_only_when_nobody_else_can(#[case] mode: u32, #[case] is_read: bool) {
    let (_folder, path) = private_file(mode, "text");
    match keys::read_private_file(&path) {
        Ok(text) => assert!(is_read && *text == "text"),
        Err(refused) => {
            assert!(!is_read);
            let command = format!("chmod 600 '{}'", path.display());
            assert!(refused.to_string().contains(&command), "{refused}");
        }
    }
}

#[test]
fn m10_a_file_that_is_no_key_is_refused_without_its_content() {
    let (_folder, path) = private_file(0o600, &"hunter2 ".repeat(10_000));
    let refused = keys::read_private_file(&path).unwrap_err().to_string();
    assert!(refused.contains("longer") && !refused.contains("hunter2"), "{refused}");
    let missing = keys::read_private_file(&path.with_extension("gone")).unwrap_err().to_string();
    assert!(missing.contains("cannot be read"), "{missing}");
}

fn private_file(mode: u32, content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    (folder, path)
}
