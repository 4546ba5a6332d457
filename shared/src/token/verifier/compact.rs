//! The compact serialisation of a JWS (RFC 7515 section 7.1) and the rules for its header.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Refusal;
use crate::token::json::parse_object;
use crate::token::keys::{Algorithm, KeySet, VerifyingKey};

/// The longest token that is looked at, in bytes. Ours have about 600.
pub const TOKEN_LIMIT: usize = 8 * 1024;

/// The longest copy of the feed, in bytes: some fifty thousand entries.
pub(in crate::token) const FEED_LIMIT: usize = 8 * 1024 * 1024;

/// Header members that bring a key or say where one is.
const KEY_MEMBERS: [&str; 4] = ["jwk", "jku", "x5c", "x5u"];

/// What a JWS is meant for. One is never taken for the other (RFC 8725 section 3.11).
#[derive(Clone, Copy)]
pub(in crate::token) struct Form {
    /// The `typ`, in lower case.
    typ: &'static str,
    /// The most bytes.
    limit: usize,
}

impl Form {
    /// An access token (RFC 9068 section 2.1).
    pub(super) const ACCESS_TOKEN: Self = Self { typ: "at+jwt", limit: TOKEN_LIMIT };

    /// A copy of the revocation feed.
    pub(in crate::token) const REVOCATIONS: Self = Self { typ: "revocations+jwt", limit: FEED_LIMIT };

    /// Media types are compared without case, and `application/` may be left out (RFC 7515 section 4.1.9).
    fn allows(self, typ: &str) -> bool {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == self.typ
    }
}

/// A JWS taken apart, with a header that keeps the rules. Nothing is proven yet.
pub(in crate::token) struct Compact<'a> {
    /// What the signature covers: header and payload as they came, with the dot.
    message: &'a str,
    signature: &'a str,
    signature_len: usize,
    pub(in crate::token) payload: Vec<u8>,
    algorithm: Algorithm,
    pub(in crate::token) kid: String,
}

impl<'a> Compact<'a> {
    /// Takes a JWS apart.
    pub(in crate::token) fn parse(token: &'a str, form: Form) -> Result<Self, Refusal> {
        if token.len() > form.limit {
            return Err(Refusal::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Segments)?;
        let (header, payload) = message.split_once('.').ok_or(Refusal::Segments)?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') || signature.is_empty() {
            return Err(Refusal::Segments);
        }
        let header = parse_object(&decode(header)?).map_err(Refusal::header)?;
        let (algorithm, kid) = check_header(header, form)?;
        let payload = decode(payload)?;
        let signature_len = decode(signature)?.len();
        Ok(Self { message, signature, signature_len, payload, algorithm, kid })
    }

    /// The key that the header names.
    pub(in crate::token) fn find_key(&self, keys: &KeySet) -> Result<Arc<VerifyingKey>, Refusal> {
        let Some(key) = keys.find(&self.kid) else {
            return Err(Refusal::KeyUnknown { kid: self.kid.clone() });
        };
        if key.algorithm() != self.algorithm {
            return Err(Refusal::KeyAlgorithm);
        }
        Ok(Arc::clone(key))
    }

    /// Whether the key signed it.
    pub(in crate::token) fn prove(&self, key: &VerifyingKey) -> Result<(), Refusal> {
        if self.signature_len != key.signature_len() {
            return Err(Refusal::SignatureLength);
        }
        if !key.verify(self.message.as_bytes(), self.signature) {
            return Err(Refusal::Signature);
        }
        Ok(())
    }
}

/// The decoder takes no padding, no other alphabet, no whitespace and no stray bits at the end: one spelling for one
/// token.
fn decode(segment: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Refusal::Encoding)
}

fn check_header(mut header: Map<String, Value>, form: Form) -> Result<(Algorithm, String), Refusal> {
    if header.contains_key("crit") {
        return Err(Refusal::Critical);
    }
    if KEY_MEMBERS.iter().any(|member| header.contains_key(*member)) {
        return Err(Refusal::EmbeddedKey);
    }
    if !header.get("typ").and_then(Value::as_str).is_some_and(|typ| form.allows(typ)) {
        return Err(Refusal::Type);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::find).ok_or(Refusal::Algorithm)?;
    match header.remove("kid") {
        Some(Value::String(kid)) if !kid.is_empty() => Ok((algorithm, kid)),
        _ => Err(Refusal::KeyMissing),
    }
}
