//! The published form of a key (RFC 7517, RFC 7518 section 6, RFC 8037) and its thumbprint (RFC 7638).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{Algorithm, KeyError};

/// The members of RFC 7518 section 6 that hold a private or symmetric key.
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The public numbers of a key, base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kty")]
pub enum PublicParams {
    /// A point of P-256, 32 bytes each.
    #[serde(rename = "EC")]
    P256 {
        /// Always `P-256`.
        crv: &'static str,
        /// The x coordinate.
        x: String,
        /// The y coordinate.
        y: String,
    },
    /// An Ed25519 public key, 32 bytes.
    #[serde(rename = "OKP")]
    Ed25519 {
        /// Always `Ed25519`.
        crv: &'static str,
        /// The encoded point.
        x: String,
    },
    /// An RSA public key.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
}

/// A public key for signatures. Reading and writing it never carries a private member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Map<String, Value>")]
pub struct Jwk {
    /// Key type and public numbers.
    #[serde(flatten)]
    pub params: PublicParams,
    /// What the key is for; always `sig`.
    #[serde(rename = "use")]
    pub purpose: Purpose,
    /// The one algorithm that it is used with.
    pub alg: Algorithm,
    /// Its name in token headers.
    pub kid: String,
}

/// The `use` of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Purpose {
    /// Signatures.
    #[serde(rename = "sig")]
    Signature,
}

/// A JWK Set as it is published; keys are sorted by `kid`, so that equal sets are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl Jwks {
    /// A set of these keys.
    pub fn new(keys: impl IntoIterator<Item = Jwk>) -> Self {
        let mut keys: Vec<Jwk> = keys.into_iter().collect();
        keys.sort_by(|a, b| a.kid.cmp(&b.kid));
        Self { keys }
    }

    /// The keys, sorted by `kid`.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }
}

impl PublicParams {
    /// A P-256 point from base64url coordinates.
    pub fn p256(x: impl Into<String>, y: impl Into<String>) -> Self {
        Self::P256 { crv: "P-256", x: x.into(), y: y.into() }
    }

    /// An Ed25519 key from its base64url encoding.
    pub fn ed25519(x: impl Into<String>) -> Self {
        Self::Ed25519 { crv: "Ed25519", x: x.into() }
    }

    /// An RSA key from base64url modulus and exponent.
    pub fn rsa(n: impl Into<String>, e: impl Into<String>) -> Self {
        Self::Rsa { n: n.into(), e: e.into() }
    }

    /// The algorithm that goes with this key type here.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256 { .. } => Algorithm::Es256,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// The RFC 7638 thumbprint with SHA-256: the required members in lexicographic order, no whitespace, hashed.
    pub fn thumbprint(&self) -> String {
        // The values are base64url, so nothing in them needs escaping.
        let members = match self {
            Self::P256 { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    }
}

impl TryFrom<Map<String, Value>> for Jwk {
    type Error = KeyError;

    /// Reads one JWK. A key without `kid` gets its thumbprint, one without `alg` the algorithm of its type.
    fn try_from(members: Map<String, Value>) -> Result<Self, KeyError> {
        if members.keys().any(|name| PRIVATE_MEMBERS.contains(&name.as_str())) {
            return Err(KeyError::Private);
        }
        check_purpose(&members)?;
        let params = params(&members)?;
        let alg = match find_text(&members, "alg")? {
            None => params.algorithm(),
            Some(name) => match Algorithm::find(name) {
                None => return Err(KeyError::Unsupported(name.to_owned())),
                Some(algorithm) if algorithm == params.algorithm() => algorithm,
                Some(_) => return Err(KeyError::Mismatch),
            },
        };
        let kid = match find_text(&members, "kid")? {
            None => params.thumbprint(),
            Some("") => return Err(KeyError::Member("kid")),
            Some(kid) => kid.to_owned(),
        };
        Ok(Self { params, purpose: Purpose::Signature, alg, kid })
    }
}

fn params(members: &Map<String, Value>) -> Result<PublicParams, KeyError> {
    match text(members, "kty")? {
        // A symmetric key among public ones is a leak, whatever its members are.
        "oct" => Err(KeyError::Private),
        "EC" => match text(members, "crv")? {
            "P-256" => Ok(PublicParams::p256(number(members, "x")?, number(members, "y")?)),
            curve => Err(KeyError::Unsupported(format!("EC {curve}"))),
        },
        "OKP" => match text(members, "crv")? {
            "Ed25519" => Ok(PublicParams::ed25519(number(members, "x")?)),
            curve => Err(KeyError::Unsupported(format!("OKP {curve}"))),
        },
        "RSA" => Ok(PublicParams::rsa(number(members, "n")?, number(members, "e")?)),
        kty => Err(KeyError::Unsupported(kty.to_owned())),
    }
}

/// Encryption keys may stand in the same set (RFC 7517 sections 4.2 and 4.3); they are not for us.
fn check_purpose(members: &Map<String, Value>) -> Result<(), KeyError> {
    match find_text(members, "use")? {
        None | Some("sig") => {}
        Some(other) => return Err(KeyError::Unsupported(format!("use {other}"))),
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(KeyError::Unsupported("key_ops without verify".to_owned())),
        Some(_) => Err(KeyError::Member("key_ops")),
    }
}

fn find_text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, KeyError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(KeyError::Member(name)),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, KeyError> {
    find_text(members, name)?.ok_or(KeyError::Member(name))
}

/// A canonical, non-empty base64url value: it goes into the thumbprint as it stands.
fn number<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, KeyError> {
    let value = text(members, name)?;
    match URL_SAFE_NO_PAD.decode(value) {
        Ok(bytes) if !bytes.is_empty() => Ok(value),
        _ => Err(KeyError::Member(name)),
    }
}
