//! Public keys: parsed strictly, refused when weak, named by RFC 7638 thumbprint, pinned to one algorithm.
//!
//! A [`Jwk`] is what is published (RFC 7517), a [`VerifyingKey`] what checks a signature, a [`KeySet`] what a
//! verifier holds. No type here can hold a private key, and input that carries one is refused with
//! [`KeyError::Private`].

mod jwk;
mod pem;
mod set;
mod strength;
mod verifying;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use jwk::{Jwk, Jwks, PublicParams};
pub use set::KeySet;
pub use verifying::VerifyingKey;

/// The signature algorithms that are accepted; all asymmetric (RFC 8725 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, the default.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA PKCS #1 v1.5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// The name in JOSE headers and keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of that exact JOSE name, if it is one of ours.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Es256, Self::EdDsa, Self::Rs256].into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::ES256,
            Algorithm::EdDsa => Self::EdDSA,
            Algorithm::Rs256 => Self::RS256,
        }
    }
}

/// Why a key or a set of keys is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a JSON object without duplicate members.
    #[error("{0}")]
    Json(&'static str),
    /// A JWK member is missing, of the wrong type, or not canonical base64url.
    #[error("key member `{0}` is missing or malformed")]
    Member(&'static str),
    /// A private or symmetric key where only a public one belongs.
    #[error("this holds a private or symmetric key; give the public key only, and replace the private one")]
    Private,
    /// Another key type, curve, algorithm or use than the three that are accepted.
    #[error("key type or algorithm is not supported: {0}")]
    Unsupported(String),
    /// A key that proves nothing.
    #[error("key is too weak: {0}")]
    Weak(&'static str),
    /// The member `alg` names an algorithm of another key type.
    #[error("algorithm and key type of the key disagree")]
    Mismatch,
    /// Two keys of a set have one `kid`.
    #[error("two keys have the kid {0:?}")]
    Duplicate(String),
    /// A set without any key that could be used.
    #[error("no usable key in the set")]
    Empty,
    /// Not a PEM block `PUBLIC KEY` with a key that is understood.
    #[error("not a PEM public key: {0}")]
    Pem(&'static str),
}
