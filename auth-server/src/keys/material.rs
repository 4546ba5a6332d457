//! A private key, parsed once and ready to sign.
//!
//! ES256 and Ed25519 keys are made by jwt-simple, RSA keys by aws-lc; all are parsed, checked and used by aws-lc.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk as ParsedJwk};
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey};
use jwt_simple::prelude::{ES256KeyPair, Ed25519KeyPair as SimpleEd25519KeyPair};
use shared::token::keys::{Algorithm, KeyError as PublicKeyError, PublicParams, VerifyingKey};
use zeroize::Zeroizing;

use super::model::KeyId;

/// Bits of a new RSA key: 128 bits of strength (NIST SP 800-57 part 1, table 2). Imported ones may have 2048.
const NEW_RSA_KEY: KeySize = KeySize::Rsa3072;

/// Lowest public exponent of an RSA key (FIPS 186-5 appendix A.1.1); refuses 1, 3 and, with the parser, even ones.
const LOWEST_EXPONENT: u64 = 65_537;

/// Why bytes are not a private key that may sign here (RFC 8725 sections 3.2 and 3.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// An EC key on another curve. (P-256 spelt out in parameters is P-256 only if every parameter is.)
    #[error("the EC key is not on the curve P-256 (prime256v1), the only one that ES256 uses")]
    WrongCurve,
    /// The parts contradict each other.
    #[error("the {0} key is damaged: its private and public parts do not belong together, or are out of range")]
    Inconsistent(Algorithm),
    /// An RSA modulus below 2048 bits.
    #[error("the RSA key is too weak: it has fewer than 2048 bits")]
    WeakModulus,
    /// An RSA exponent below 65537.
    #[error("the RSA key is too weak: its public exponent is below 65537")]
    WeakExponent,
    /// The public half is one that resource servers refuse.
    #[error("the public half is refused: {0}")]
    Public(#[from] PublicKeyError),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Library,
}

/// A parsed private key. Parsing costs as much as signing, so it is done once (see `signer`).
pub enum PrivateKey {
    /// P-256.
    Es256(EcdsaKeyPair),
    /// Ed25519.
    EdDsa(Ed25519KeyPair),
    /// RSA, 2048 to 8192 bits.
    Rs256(Box<RsaKeyPair>),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.algorithm())
    }
}

impl PrivateKey {
    /// Makes a new key. RSA takes about a second of one core.
    ///
    /// # Errors
    /// [`MaterialError::Library`]
    pub fn generate(algorithm: Algorithm) -> Result<Self, MaterialError> {
        match algorithm {
            Algorithm::Es256 => {
                let der = ES256KeyPair::generate().to_der().map_err(|_| MaterialError::Library)?;
                Self::from_pkcs8(algorithm, &Zeroizing::new(der))
            }
            Algorithm::EdDsa => {
                let der = Zeroizing::new(SimpleEd25519KeyPair::generate().to_der());
                Self::from_pkcs8(algorithm, &der)
            }
            Algorithm::Rs256 => {
                RsaKeyPair::generate(NEW_RSA_KEY).map(Box::new).map(Self::Rs256).map_err(|_| MaterialError::Library)
            }
        }
    }

    /// Parses and checks PKCS#8 DER (RFC 5958) of a key for `algorithm`.
    ///
    /// # Errors
    /// [`MaterialError`] says what is wrong with it.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, MaterialError> {
        match algorithm {
            Algorithm::Es256 => Self::from_ec_der(der),
            Algorithm::EdDsa => {
                Ed25519KeyPair::from_pkcs8(der).map(Self::EdDsa).map_err(|_| MaterialError::Inconsistent(algorithm))
            }
            Algorithm::Rs256 => Self::checked_rsa(RsaKeyPair::from_pkcs8(der)),
        }
    }

    /// Parses and checks an EC private key, as PKCS#8 or as SEC1 (RFC 5915): the point is on P-256 and belongs to the
    /// scalar (aws-lc's `EC_KEY_check_key`).
    ///
    /// # Errors
    /// [`MaterialError::WrongCurve`] or [`MaterialError::Inconsistent`]
    pub fn from_ec_der(der: &[u8]) -> Result<Self, MaterialError> {
        /// DER of the object identifier 1.2.840.10045.3.1.7 (RFC 5480 section 2.1.1.1).
        const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::Es256).map_err(|_| {
            let names_p256 = der.windows(P256.len()).any(|window| window == P256);
            if names_p256 { MaterialError::Inconsistent(Algorithm::Es256) } else { MaterialError::WrongCurve }
        })
    }

    /// Parses and checks an RSA private key in PKCS#1 (RFC 8017 appendix A.1.2).
    ///
    /// # Errors
    /// [`MaterialError`] says what is wrong with it.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, MaterialError> {
        Self::checked_rsa(RsaKeyPair::from_der(der))
    }

    fn checked_rsa(parsed: Result<RsaKeyPair, aws_lc_rs::error::KeyRejected>) -> Result<Self, MaterialError> {
        let key = parsed.map_err(|rejected| match rejected.description_() {
            "TooSmall" => MaterialError::WeakModulus,
            _ => MaterialError::Inconsistent(Algorithm::Rs256),
        })?;
        let (_, exponent) = rsa_components(&key)?;
        let exponent = URL_SAFE_NO_PAD.decode(exponent).map_err(|_| MaterialError::Library)?;
        let exponent = exponent.iter().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)));
        if exponent.is_some_and(|exponent| exponent < LOWEST_EXPONENT) {
            return Err(MaterialError::WeakExponent);
        }
        Ok(Self::Rs256(Box::new(key)))
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The key as PKCS#8 DER, version 1.
    ///
    /// # Errors
    /// [`MaterialError::Library`]
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, MaterialError> {
        let library = |_| MaterialError::Library;
        match self {
            Self::Es256(key) => Ok(Zeroizing::new(key.to_pkcs8v1().map_err(library)?.as_ref().to_vec())),
            Self::EdDsa(key) => Ok(Zeroizing::new(key.to_pkcs8v1().map_err(library)?.as_ref().to_vec())),
            Self::Rs256(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(library)?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
        }
    }

    /// The public half, checked for strength, under `kid` or else under its RFC 7638 thumbprint.
    ///
    /// # Errors
    /// [`MaterialError::Public`] for a key that a resource server would refuse.
    pub fn public(&self, kid: Option<&KeyId>) -> Result<VerifyingKey, MaterialError> {
        let params = match self {
            Self::Es256(key) => match key.public_key().as_ref().split_at_checked(33) {
                // SEC1 section 2.3.3: 4, then x, then y.
                Some(([4, x @ ..], y)) => PublicParams::p256(URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)),
                _ => return Err(MaterialError::Library),
            },
            Self::EdDsa(key) => PublicParams::ed25519(URL_SAFE_NO_PAD.encode(key.public_key())),
            Self::Rs256(key) => {
                let (modulus, exponent) = rsa_components(key)?;
                PublicParams::rsa(modulus, exponent)
            }
        };
        Ok(VerifyingKey::from_params(params, kid.map(|kid| kid.as_str().to_owned()))?)
    }

    /// Signs `message`: the bytes of a JWS signature (RFC 7518 sections 3.3 and 3.4, RFC 8037 section 3.1).
    ///
    /// # Errors
    /// [`MaterialError::Library`]
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MaterialError> {
        let library = |_| MaterialError::Library;
        match self {
            Self::Es256(key) => Ok(key.sign(&SystemRandom::new(), message).map_err(library)?.as_ref().to_vec()),
            Self::EdDsa(key) => Ok(key.try_sign(message).map_err(library)?.as_ref().to_vec()),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(library)?;
                Ok(signature)
            }
        }
    }
}

/// Modulus and exponent in base64url, as a JWK has them.
fn rsa_components(key: &RsaKeyPair) -> Result<(String, String), MaterialError> {
    let public = DecodingKey::from_rsa_der(key.public_key().as_ref());
    match ParsedJwk::from_decoding_key(&public, Some(JwtAlgorithm::RS256)).map(|jwk| jwk.algorithm) {
        Ok(AlgorithmParameters::RSA(numbers)) => Ok((numbers.n, numbers.e)),
        _ => Err(MaterialError::Library),
    }
}
