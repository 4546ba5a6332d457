//! One proof: read, and held against a request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{ALGORITHMS, Address, JTI_LIMIT, LEEWAY, MAX_AGE, PROOF, PROOF_LIMIT, ProofRefusal, Thumbprint};
use crate::token::json::parse_object;
use crate::token::keys::{Algorithm, Jwk, KeyError, VerifyingKey};

/// Header members that are refused: extensions that nobody here understands, and pointers to keys.
const FORBIDDEN: [&str; 5] = ["crit", "b64", "jku", "x5u", "x5c"];

/// The longest `htu` and `nonce`, in bytes.
const TEXT_LIMIT: usize = 2048;

/// A proof whose signature is good: who signed it holds the key of [`Proof::key`]. What it is for is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    key: Thumbprint,
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    exp: Option<i64>,
    ath: Option<String>,
    nonce: Option<String>,
}

/// What a proof has to be for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The request's method.
    pub method: &'a str,
    /// Where the request goes, by the service's own name for itself.
    pub address: &'a Address,
    /// The access token that comes with the proof; `None` at the token endpoint.
    pub token: Option<&'a str>,
    /// The present.
    pub now: DateTime<Utc>,
}

impl Proof {
    /// The proof of a request; `None` where it has no `DPoP` header.
    ///
    /// # Errors
    ///
    /// Every [`ProofRefusal`] of [`Proof::parse`], and [`ProofRefusal::Header`] for more than one.
    pub fn find(headers: &HeaderMap) -> Result<Option<Self>, ProofRefusal> {
        let mut values = headers.get_all(PROOF).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(ProofRefusal::Header);
        }
        let text = value.to_str().map_err(|_| ProofRefusal::Header)?;
        Self::parse(text).map(Some)
    }

    /// Reads a proof and checks its signature with the key that it brings.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, ProofRefusal> {
        if text.len() > PROOF_LIMIT {
            return Err(ProofRefusal::TooLong);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(ProofRefusal::Segments)?;
        let (header, payload) = message.split_once('.').ok_or(ProofRefusal::Segments)?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') || signature.is_empty() {
            return Err(ProofRefusal::Segments);
        }
        let key = read_key(object(header)?)?;
        let proof = read_claims(object(payload)?, &key)?;
        // Canonical base64url and the exact length, so that a proof has one spelling.
        let signature_len = URL_SAFE_NO_PAD.decode(signature).map_err(|_| ProofRefusal::Malformed)?.len();
        if signature_len != key.signature_len() || !key.verify(message.as_bytes(), signature) {
            return Err(ProofRefusal::Signature);
        }
        Ok(proof)
    }

    /// Whether it is for this request, made just now.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn check(&self, expected: &Expected<'_>) -> Result<(), ProofRefusal> {
        if self.htm != expected.method {
            return Err(ProofRefusal::Method);
        }
        if Address::parse(&self.htu).as_ref() != Some(expected.address) {
            return Err(ProofRefusal::Address);
        }
        let age = expected.now.timestamp().saturating_sub(self.iat);
        if age > seconds(MAX_AGE) || self.exp.is_some_and(|exp| exp <= expected.now.timestamp() - seconds(LEEWAY)) {
            return Err(ProofRefusal::Stale { seconds: age });
        }
        if age < -seconds(LEEWAY) {
            return Err(ProofRefusal::Future { seconds: age.saturating_neg() });
        }
        match expected.token {
            Some(token) if self.ath.as_deref() != Some(hash(token).as_str()) => Err(ProofRefusal::Token),
            _ => Ok(()),
        }
    }

    /// The key that made it.
    pub fn key(&self) -> &Thumbprint {
        &self.key
    }

    /// The nonce that it answers with, of whoever's making.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// What tells it from every other one: the hash of its key and its `jti`.
    pub fn id(&self) -> [u8; 32] {
        Sha256::new().chain_update(self.key.as_str()).chain_update(&self.jti).finalize().into()
    }

    /// From then on it is too old, and nobody has to remember it.
    pub fn expires_at(&self) -> DateTime<Utc> {
        let seconds = self.iat.saturating_add(seconds(MAX_AGE)).saturating_add(1);
        DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC - TimeDelta::days(1))
    }
}

/// `ath`: the hash of the access token (section 4.2).
pub(super) fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}

fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn object(segment: &str) -> Result<Map<String, Value>, ProofRefusal> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).map_err(|_| ProofRefusal::Malformed)?;
    parse_object(&bytes).map_err(|_| ProofRefusal::Malformed)
}

/// The key that the header brings, for the algorithm that it names.
fn read_key(mut header: Map<String, Value>) -> Result<VerifyingKey, ProofRefusal> {
    if header.get("typ").and_then(Value::as_str) != Some("dpop+jwt") {
        return Err(ProofRefusal::Type);
    }
    if FORBIDDEN.iter().any(|member| header.contains_key(*member)) {
        return Err(ProofRefusal::HeaderMember);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::find);
    let algorithm = algorithm.filter(|algorithm| ALGORITHMS.contains(algorithm)).ok_or(ProofRefusal::Algorithm)?;
    let Some(Value::Object(jwk)) = header.remove("jwk") else { return Err(KeyError::Member("jwk").into()) };
    let key = VerifyingKey::new(Jwk::try_from(jwk)?)?;
    if key.algorithm() == algorithm { Ok(key) } else { Err(ProofRefusal::KeyAlgorithm) }
}

fn read_claims(mut claims: Map<String, Value>, key: &VerifyingKey) -> Result<Proof, ProofRefusal> {
    Ok(Proof {
        key: key.thumbprint().parse().map_err(|_| ProofRefusal::Malformed)?,
        jti: required(text(&mut claims, "jti", JTI_LIMIT)?, "jti")?,
        htm: required(text(&mut claims, "htm", TEXT_LIMIT)?, "htm")?,
        htu: required(text(&mut claims, "htu", TEXT_LIMIT)?, "htu")?,
        iat: required(integer(&claims, "iat")?, "iat")?,
        exp: integer(&claims, "exp")?,
        ath: text(&mut claims, "ath", TEXT_LIMIT)?,
        nonce: text(&mut claims, "nonce", TEXT_LIMIT)?,
    })
}

fn required<T>(value: Option<T>, claim: &'static str) -> Result<T, ProofRefusal> {
    value.ok_or(ProofRefusal::Claim(claim))
}

fn text(claims: &mut Map<String, Value>, claim: &'static str, limit: usize) -> Result<Option<String>, ProofRefusal> {
    match claims.remove(claim) {
        None => Ok(None),
        Some(Value::String(value)) if (1..=limit).contains(&value.len()) => Ok(Some(value)),
        Some(_) => Err(ProofRefusal::Claim(claim)),
    }
}

fn integer(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, ProofRefusal> {
    match claims.get(claim) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or(ProofRefusal::Claim(claim)),
    }
}
