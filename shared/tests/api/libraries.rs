//! Two independent libraries agree: each verifies what the other signed, by PEM and by JWK. T23.

use jwt_simple::prelude::*;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::testing::TestIssuer;
use shared::token::keys::{Algorithm, KeySet, VerifyingKey};
use shared::token::source::Keys;

use crate::support::verifier;

fn strict() -> Option<VerificationOptions> {
    Some(VerificationOptions {
        required_signature_type: Some("at+jwt".to_owned()),
        time_tolerance: Some(Duration::from_secs(5)),
        ..VerificationOptions::default()
    })
}

/// What jsonwebtoken signs, jwt-simple verifies.
macro_rules! ours_by_theirs {
    ($test:ident, $algorithm:expr, $public:ty) => {
        #[test]
        fn $test() {
            let issuer = TestIssuer::new($algorithm);
            let claims = issuer.claims(Clock::system().now());
            let token = issuer.mint(&claims);
            let jwk = serde_json::to_string(issuer.public_key().jwk()).unwrap();
            for theirs in [<$public>::from_pem(&issuer.public_pem()).unwrap(), <$public>::from_jwk(&jwk).unwrap()] {
                assert_eq!(theirs.jwk_thumbprint(), issuer.public_key().thumbprint());
                let read = theirs.verify_token::<Value>(&token, strict()).unwrap();
                assert_eq!(read.subject, Some(claims.sub.clone()));
                assert_eq!(read.custom["client_id"], json!("test-client"));
                assert_eq!(read.custom["scope"], json!("movies:read"));
            }
        }
    };
}

/// What jwt-simple signs, jsonwebtoken verifies under our rules.
macro_rules! theirs_by_ours {
    ($test:ident, $algorithm:expr, $pair:ty) => {
        #[test]
        fn $test() {
            let pair = <$pair>::generate();
            let pem: String = pair.public_key().to_pem_text();
            let by_pem = VerifyingKey::from_pem(&pem).unwrap();
            let by_jwk = VerifyingKey::from_jwk(pair.public_key().to_jwk().as_bytes()).unwrap();
            let kid = pair.public_key().jwk_thumbprint();
            assert_eq!((by_pem.kid(), by_jwk.kid()), (kid.as_str(), kid.as_str()));
            assert_eq!(by_pem.algorithm(), $algorithm);

            let parties = TestIssuer::es256();
            let custom = json!({ "client_id": "test-client", "scope": "movies:read" });
            let claims = Claims::with_custom_claims(custom, Duration::from_mins(10))
                .with_issuer(parties.issuer())
                .with_audience(parties.audience())
                .with_subject("somebody")
                .with_jwt_id("1");
            let options = HeaderOptions { signature_type: Some("at+jwt".to_owned()), ..HeaderOptions::default() };
            let token = pair.with_key_id(&kid).sign_with_options(claims, &options).unwrap();
            for key in [by_pem, by_jwk] {
                let keys = Keys::fixed(KeySet::new([key]).unwrap());
                let claims = verifier(&parties, &keys).verify(&token, Clock::system().now()).unwrap();
                assert_eq!(claims.sub, "somebody");
            }
        }
    };
}

/// Their two key types differ in whether this can fail.
trait PemText {
    fn to_pem_text(&self) -> String;
}

impl PemText for ES256PublicKey {
    fn to_pem_text(&self) -> String {
        self.to_pem().unwrap()
    }
}

impl PemText for Ed25519PublicKey {
    fn to_pem_text(&self) -> String {
        self.to_pem()
    }
}

ours_by_theirs!(t23_jwt_simple_verifies_our_es256, Algorithm::Es256, ES256PublicKey);
ours_by_theirs!(t23_jwt_simple_verifies_our_eddsa, Algorithm::EdDsa, Ed25519PublicKey);
theirs_by_ours!(t23_we_verify_jwt_simple_es256, Algorithm::Es256, ES256KeyPair);
theirs_by_ours!(t23_we_verify_jwt_simple_eddsa, Algorithm::EdDsa, Ed25519KeyPair);

#[test]
fn t23_the_shape_of_an_access_token() {
    let issuer = TestIssuer::es256();
    let token = issuer.mint(&issuer.claims(crate::support::now()));
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(header.kid.as_deref(), Some(issuer.public_key().kid()));
    let payload: Value = jsonwebtoken::dangerous::insecure_decode_claims(&token).unwrap();
    let mut names: Vec<&str> = payload.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "client_id", "cver", "exp", "iat", "iss", "jti", "scope", "sid", "sub", "ver"]);
    assert_eq!(payload["aud"], json!("http://127.0.0.1:8000"), "one audience is a string");
}
