//! A public key that is ready to check signatures.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;

use super::jwk::Purpose;
use super::{Algorithm, Jwk, KeyError, PublicParams, pem, strength};
use crate::token::json::parse_object;

/// A strong public key, pinned to one algorithm and one `kid`.
#[derive(Clone)]
pub struct VerifyingKey {
    jwk: Jwk,
    decoding: DecodingKey,
    signature_len: usize,
}

impl VerifyingKey {
    /// Checks a JWK's strength and makes it ready.
    ///
    /// # Errors
    ///
    /// [`KeyError::Weak`] and [`KeyError::Member`].
    pub fn new(jwk: Jwk) -> Result<Self, KeyError> {
        let (decoding, signature_len) = match &jwk.params {
            PublicParams::P256 { x, y, .. } => {
                let point = [&[4], decode(x, "x")?.as_slice(), decode(y, "y")?.as_slice()].concat();
                strength::check_p256(&point)?;
                (DecodingKey::from_ec_der(&point), 64)
            }
            PublicParams::Ed25519 { x, .. } => {
                let key = decode(x, "x")?;
                strength::check_ed25519(&key)?;
                (DecodingKey::from_ed_der(&key), 64)
            }
            PublicParams::Rsa { n, e } => {
                let (n, e) = (decode(n, "n")?, decode(e, "e")?);
                strength::check_rsa(&n, &e)?;
                (DecodingKey::from_rsa_raw_components(&n, &e), n.len())
            }
        };
        Ok(Self { jwk, decoding, signature_len })
    }

    /// A key from its public numbers; without a `kid`, its thumbprint is the `kid`.
    ///
    /// # Errors
    ///
    /// As [`VerifyingKey::new`].
    pub fn from_params(params: PublicParams, kid: Option<String>) -> Result<Self, KeyError> {
        // An unusable number must be found before the thumbprint is taken of it.
        let alg = params.algorithm();
        let mut key = Self::new(Jwk { params, purpose: Purpose::Signature, alg, kid: String::new() })?;
        key.jwk.kid = kid.unwrap_or_else(|| key.thumbprint());
        Ok(key)
    }

    /// Reads one JWK in JSON.
    ///
    /// # Errors
    ///
    /// Every [`KeyError`] but those of sets and PEM.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        let members = parse_object(json).map_err(|_| KeyError::Json("not a JSON object without duplicate members"))?;
        Self::new(members.try_into()?)
    }

    /// Reads one PEM block `PUBLIC KEY` (RFC 7468 section 13); its thumbprint is the `kid`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Private`] for a private key, [`KeyError::Pem`] for anything else that is not one public key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        match pem::blocks(text)?.as_slice() {
            [one] => Self::from_params(pem::params(one)?, None),
            _ => Err(KeyError::Pem("more than one block")),
        }
    }

    /// The same key under a name of the operator's choice.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.jwk.kid = kid.into();
        self
    }

    /// The key's name in token headers.
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// The only algorithm that this key checks.
    pub fn algorithm(&self) -> Algorithm {
        self.jwk.alg
    }

    /// The published form.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The RFC 7638 thumbprint, whatever the `kid` is.
    pub fn thumbprint(&self) -> String {
        self.jwk.params.thumbprint()
    }

    /// The key as a PEM block `PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// None for a key that was built here; the encoder's signature has one.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        pem::encode(&self.jwk.params)
    }

    /// The exact length of a signature in bytes: raw `r ‖ s` for ES256 (RFC 7518 section 3.4), never DER.
    pub fn signature_len(&self) -> usize {
        self.signature_len
    }

    /// Whether `signature`, base64url without padding, signs `message` under this key and its algorithm.
    pub fn verify(&self, message: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, self.jwk.alg.into()).unwrap_or(false)
    }
}

impl PartialEq for VerifyingKey {
    /// The same numbers under the same name.
    fn eq(&self, other: &Self) -> bool {
        self.jwk == other.jwk
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("kid", &self.jwk.kid).field("alg", &self.jwk.alg).finish_non_exhaustive()
    }
}

fn decode(value: &str, name: &'static str) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD.decode(value).map_err(|_| KeyError::Member(name))
}
