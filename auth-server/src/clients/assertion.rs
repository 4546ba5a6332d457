//! What a client signs to say who it is: a JWT (RFC 7523 section 3), read strictly and judged in a visible list.
//!
//! 1. The text is three base64url segments with one spelling, whose header and claims are JSON objects without duplicate
//!    members. Nothing of it is believed yet; `sub` says whose keys to look for.
//! 2. `typ` is absent, `JWT` or `client-authentication+jwt`: no other kind of JWT that a client signs is taken for this
//!    one. `alg` is one of [`ALGORITHMS`]; `crit` and keys in the header are refused.
//! 3. The key is the one that `kid` names among the client's own, or its only one for that algorithm.
//! 4. `iss` and `sub` are the client, `aud` is this server alone, `exp` is not past and near, `nbf` and `iat` are not in
//!    the future, and `jti` is there.
//! 5. A `jti` is good once, on every replica (see the room's store).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use shared::token::json::parse_object;
use shared::token::keys::{Algorithm, KeySet, VerifyingKey};

use super::model::ClientId;

/// The value of `client_assertion_type` (RFC 7523 section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an assertion may be signed with; what metadata lists. Two names of one algorithm (RFC 9864).
pub const ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "Ed25519", "RS256"];

/// The longest assertion that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 512;

/// How far ahead `exp` may be: what is stolen is worthless soon, and what was used is remembered no longer.
pub const LONGEST_LIFE: TimeDelta = TimeDelta::minutes(5);

/// How much the clocks may differ.
pub const LEEWAY: TimeDelta = TimeDelta::seconds(10);

/// Why an assertion is refused; for the log alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Not a compact JWS of one spelling, or too long.
    #[error("it is no compact JWT")]
    Malformed,
    /// Header or claims are no JSON objects, or name a member twice.
    #[error("its header or claims are no JSON object without duplicate members")]
    Json,
    /// A JWT for something else.
    #[error("its typ is not JWT nor client-authentication+jwt")]
    Type,
    /// `none`, a MAC, or what no key here can check.
    #[error("its alg is not one for client assertions")]
    Algorithm,
    /// `crit`, or a key in the header.
    #[error("its header has crit or brings a key of its own")]
    Header,
    /// No key of the client has this name and algorithm.
    #[error("the client has no such key")]
    KeyUnknown,
    /// Without `kid`, more than one key could be meant.
    #[error("it names no key, and the client has several")]
    KeyAmbiguous,
    /// The client's keys cannot be read.
    #[error("the client's keys cannot be read: {0}")]
    KeysUnread(String),
    /// Signed by another key, or changed.
    #[error("its signature is wrong")]
    Signature,
    /// A claim that has to be there.
    #[error("its claim {0} is missing or malformed")]
    Claim(&'static str),
    /// `iss` is not the client.
    #[error("its iss is not its sub")]
    Issuer,
    /// For somebody else, or for others too.
    #[error("its aud is not this server alone")]
    Audience,
    /// Too old.
    #[error("it has expired")]
    Expired,
    /// Good for too long.
    #[error("its exp is more than five minutes ahead")]
    TooLong,
    /// `nbf` or `iat` in the future.
    #[error("it is not valid yet")]
    Early,
    /// Its `jti` was used before.
    #[error("its jti was used before")]
    Replayed,
}

/// An assertion taken apart. Nothing is proven.
#[derive(Clone, Debug)]
pub struct Assertion {
    client_id: ClientId,
    message: String,
    signature: String,
    signature_len: usize,
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Map<String, Value>,
}

/// What is remembered of an assertion that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Of client and `jti`.
    pub hash: [u8; 32],
    /// When the assertion could not be used any more anyhow.
    pub until: DateTime<Utc>,
}

impl Assertion {
    /// Takes an assertion apart.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub fn parse(text: &str) -> Result<Self, AssertionError> {
        if text.len() > LONGEST {
            return Err(AssertionError::Malformed);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(AssertionError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(AssertionError::Malformed)?;
        let signature_len = decode(signature)?.len();
        let header = parse_object(&decode(header)?).map_err(|_| AssertionError::Json)?;
        let claims = parse_object(&decode(payload)?).map_err(|_| AssertionError::Json)?;
        let (algorithm, kid) = check_header(&header)?;
        let subject = text_of(&claims, "sub")?;
        let client_id = subject.parse().map_err(|_| AssertionError::Claim("sub"))?;
        let (message, signature) = (message.to_owned(), signature.to_owned());
        Ok(Self { client_id, message, signature, signature_len, algorithm, kid, claims })
    }

    /// Whose it says that it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The key that it names, where it names one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Everything but whether it was used before.
    ///
    /// # Errors
    /// [`AssertionError`] for the first rule that it breaks.
    pub fn check(&self, keys: &KeySet, audiences: &[String], now: DateTime<Utc>) -> Result<Used, AssertionError> {
        self.check_signature(keys)?;
        self.check_issuer()?;
        self.check_audience(audiences)?;
        let until = self.check_times(now)?;
        Ok(Used { hash: self.hash()?, until })
    }

    fn check_signature(&self, keys: &KeySet) -> Result<(), AssertionError> {
        let key = self.find_key(keys)?;
        let is_whole = self.signature_len == key.signature_len();
        match is_whole && key.verify(self.message.as_bytes(), &self.signature) {
            true => Ok(()),
            false => Err(AssertionError::Signature),
        }
    }

    fn find_key<'k>(&self, keys: &'k KeySet) -> Result<&'k VerifyingKey, AssertionError> {
        if let Some(kid) = &self.kid {
            let key = keys.find(kid).filter(|key| key.algorithm() == self.algorithm);
            return key.map(AsRef::as_ref).ok_or(AssertionError::KeyUnknown);
        }
        let named = keys.kids().into_iter().filter_map(|kid| keys.find(kid));
        let mut fitting = named.filter(|key| key.algorithm() == self.algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(AssertionError::KeyAmbiguous),
            (None, _) => Err(AssertionError::KeyUnknown),
        }
    }

    fn check_issuer(&self) -> Result<(), AssertionError> {
        let issuer = text_of(&self.claims, "iss")?;
        if issuer == self.client_id.as_str() { Ok(()) } else { Err(AssertionError::Issuer) }
    }

    /// One value: an assertion that somebody else takes too could be carried from there to here.
    fn check_audience(&self, audiences: &[String]) -> Result<(), AssertionError> {
        let audience = match self.claims.get("aud") {
            Some(Value::String(one)) => one,
            Some(Value::Array(several)) => match several.as_slice() {
                [Value::String(one)] => one,
                _ => return Err(AssertionError::Audience),
            },
            _ => return Err(AssertionError::Claim("aud")),
        };
        if audiences.contains(audience) { Ok(()) } else { Err(AssertionError::Audience) }
    }

    /// When it could not be used any more anyhow.
    fn check_times(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, AssertionError> {
        let end = time_of(&self.claims, "exp")?.ok_or(AssertionError::Claim("exp"))? + LEEWAY;
        if end <= now {
            return Err(AssertionError::Expired);
        }
        if end > now + LONGEST_LIFE + LEEWAY + LEEWAY {
            return Err(AssertionError::TooLong);
        }
        for name in ["nbf", "iat"] {
            if time_of(&self.claims, name)?.is_some_and(|at| at > now + LEEWAY) {
                return Err(AssertionError::Early);
            }
        }
        Ok(end)
    }

    fn hash(&self) -> Result<[u8; 32], AssertionError> {
        let id = text_of(&self.claims, "jti")?;
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(AssertionError::Claim("jti"));
        }
        // No client_id has a NUL, so that no two pairs are one text.
        Ok(Sha256::new().chain_update(self.client_id.as_str()).chain_update([0]).chain_update(id).finalize().into())
    }
}

/// The decoder takes no padding, no other alphabet and no stray bits: one spelling for one assertion.
fn decode(segment: &str) -> Result<Vec<u8>, AssertionError> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| AssertionError::Malformed)
}

fn check_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), AssertionError> {
    if ["crit", "b64", "jwk", "jku", "x5c", "x5u"].iter().any(|member| header.contains_key(*member)) {
        return Err(AssertionError::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if is_type(typ) => {}
        Some(_) => return Err(AssertionError::Type),
    }
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("Ed25519") => Algorithm::EdDsa,
        Some(name) => Algorithm::find(name).ok_or(AssertionError::Algorithm)?,
        None => return Err(AssertionError::Algorithm),
    };
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(kid)) if !kid.is_empty() => Ok((algorithm, Some(kid.clone()))),
        Some(_) => Err(AssertionError::KeyUnknown),
    }
}

/// Media types are compared without case, and `application/` may be left out (RFC 7515 section 4.1.9).
fn is_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "client-authentication+jwt")
}

fn text_of<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, AssertionError> {
    claims.get(name).and_then(Value::as_str).ok_or(AssertionError::Claim(name))
}

/// A `NumericDate` may have a fraction (RFC 7519 section 2), which is dropped.
fn time_of(claims: &Map<String, Value>, name: &'static str) -> Result<Option<DateTime<Utc>>, AssertionError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "a fraction is dropped; what is too large is no time")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    // Far beyond every date that could be meant, and far from an overflow.
    let seconds = seconds.filter(|seconds| (0..=0xffff_ffff_ffff).contains(seconds));
    let at = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    at.map(Some).ok_or(AssertionError::Claim(name))
}
