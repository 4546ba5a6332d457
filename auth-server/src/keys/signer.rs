//! Signing access tokens with a key that is parsed once.
//!
//! jsonwebtoken parses and checks the private key again at each signature, behind a factory without state, so that its
//! `JwtSigner` trait cannot keep one either. Its aws-lc keys are therefore used directly and the compact form is written
//! here. Measured in a release build, microseconds a token, jsonwebtoken against this: ES256 29 to 17, EdDSA 20 to 11,
//! RS256 (3072 bits) 1500 to 700. Verifying stays with jsonwebtoken.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike, ES256PublicKey, Ed25519PublicKey, EdDSAPublicKeyLike, NoCustomClaims,
};
use serde::Serialize;
use shared::token::keys::{Algorithm, VerifyingKey};

use super::material::{MaterialError, PrivateKey};

/// The `typ` of an access token (RFC 9068 section 2.1).
const TYPE: &str = "at+jwt";

/// Why a token could not be signed, or a new key failed its self-check.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims or the header have no JSON form.
    #[error("the token cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The key failed.
    #[error(transparent)]
    Key(#[from] MaterialError),
    /// A library does not accept what the key signed.
    #[error("the key failed its self-check: {0} does not accept what it signed")]
    SelfCheck(&'static str),
}

/// The `typ` of the revocation feed.
const FEED_TYPE: &str = "revocations+jwt";
/// The `typ` of an `id_token` (RFC 7519 section 5.1), so that it can never pass as an access token.
const ID_TOKEN_TYPE: &str = "JWT";

/// Signs claims under one key.
#[derive(Debug)]
pub struct Signer {
    key: PrivateKey,
    /// The same as `prefix` for an `id_token`.
    id_token_prefix: String,
    /// `BASE64URL(header) "."`: the same for each token.
    prefix: String,
    /// The same for the revocation feed.
    feed_prefix: String,
    /// The same for checkpoints of the audit log.
    checkpoint_prefix: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'a str,
    alg: Algorithm,
    kid: &'a str,
}

impl Signer {
    /// A signer whose tokens name `kid`.
    ///
    /// # Errors
    /// [`SignError::Json`], which no kid causes.
    pub fn new(key: PrivateKey, kid: &str) -> Result<Self, SignError> {
        let prefix = |typ| -> Result<String, SignError> {
            let header = serde_json::to_vec(&Header { typ, alg: key.algorithm(), kid })?;
            Ok(URL_SAFE_NO_PAD.encode(header) + ".")
        };
        Ok(Self {
            prefix: prefix(TYPE)?,
            feed_prefix: prefix(FEED_TYPE)?,
            checkpoint_prefix: prefix(crate::audit::CHECKPOINT_TYPE)?,
            id_token_prefix: prefix(ID_TOKEN_TYPE)?,
            key,
        })
    }

    /// What the signatures are made with.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The same over the payload of the revocation feed.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_feed(&self, payload: &impl Serialize) -> Result<String, SignError> {
        self.sign_behind(&self.feed_prefix, payload)
    }

    /// The same over a checkpoint of the audit log.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_checkpoint(&self, payload: &impl Serialize) -> Result<String, SignError> {
        self.sign_behind(&self.checkpoint_prefix, payload)
    }

    /// A JWS in compact form (RFC 7515 section 3.1) over `claims`.
    ///
    /// # Errors
    /// [`SignError::Json`] or [`SignError::Key`], neither of which the caller's user can cause.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SignError> {
        self.sign_behind(&self.prefix, claims)
    }

    /// The same over the claims of an `id_token` (OpenID Connect core section 2).
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_id_token(&self, claims: &impl Serialize) -> Result<String, SignError> {
        self.sign_behind(&self.id_token_prefix, claims)
    }

    fn sign_behind(&self, prefix: &str, claims: &impl Serialize) -> Result<String, SignError> {
        let mut token = prefix.to_owned();
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut token);
        let signature = self.key.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Signs once and lets both libraries verify it with the public half as it will be published. jwt-simple does not
    /// see RSA (RUSTSEC-2023-0071).
    ///
    /// # Errors
    /// [`SignError::SelfCheck`] names the library that refuses.
    pub fn self_check(&self, public: &VerifyingKey) -> Result<(), SignError> {
        let token = self.sign(&serde_json::json!({ "sub": "self-check" }))?;
        let accepted =
            token.rsplit_once('.').is_some_and(|(message, signature)| public.verify(message.as_bytes(), signature));
        if !accepted {
            return Err(SignError::SelfCheck("jsonwebtoken"));
        }
        let jwk = serde_json::to_string(public.jwk())?;
        let accepted = match self.key.algorithm() {
            Algorithm::Es256 => {
                ES256PublicKey::from_jwk(&jwk).is_ok_and(|key| key.verify_token::<NoCustomClaims>(&token, None).is_ok())
            }
            Algorithm::EdDsa => Ed25519PublicKey::from_jwk(&jwk)
                .is_ok_and(|key| key.verify_token::<NoCustomClaims>(&token, None).is_ok()),
            Algorithm::Rs256 => true,
        };
        if accepted { Ok(()) } else { Err(SignError::SelfCheck("jwt-simple")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(Algorithm::Es256)]
    #[case(Algorithm::EdDsa)]
    fn a_key_whose_public_half_is_another_fails_its_self_check(#[case] algorithm: Algorithm) {
        let (one, other) = (PrivateKey::generate(algorithm).unwrap(), PrivateKey::generate(algorithm).unwrap());
        let (public, wrong) = (one.public(None).unwrap(), other.public(None).unwrap());
        let signer = Signer::new(one, public.kid()).unwrap();
        signer.self_check(&public).unwrap();
        assert!(matches!(signer.self_check(&wrong), Err(SignError::SelfCheck("jsonwebtoken"))));
    }

    #[test]
    fn the_header_says_type_algorithm_and_key_and_nothing_else() {
        let key = PrivateKey::generate(Algorithm::Es256).unwrap();
        let token = Signer::new(key, "k1").unwrap().sign(&serde_json::json!({})).unwrap();
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        insta::assert_snapshot!(String::from_utf8(header).unwrap(), @r#"{"typ":"at+jwt","alg":"ES256","kid":"k1"}"#);
    }
}
