//! The compact serialisation of a JWS (RFC 7515 section 7.1) and the rules for its header.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Refusal;
use crate::token::json::parse_object;
use crate::token::keys::Algorithm;

/// The longest token that is looked at, in bytes. Ours have about 600.
pub const TOKEN_LIMIT: usize = 8 * 1024;

/// Header members that bring a key or say where one is.
const KEY_MEMBERS: [&str; 4] = ["jwk", "jku", "x5c", "x5u"];

/// A token taken apart, with a header that keeps the rules. Nothing is proven yet.
pub(super) struct Compact<'a> {
    /// What the signature covers: header and payload as they came, with the dot.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
    pub(super) signature_len: usize,
    pub(super) payload: Vec<u8>,
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    pub(super) fn parse(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > TOKEN_LIMIT {
            return Err(Refusal::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Segments)?;
        let (header, payload) = message.split_once('.').ok_or(Refusal::Segments)?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') || signature.is_empty() {
            return Err(Refusal::Segments);
        }
        let header = parse_object(&decode(header)?).map_err(Refusal::header)?;
        let (algorithm, kid) = check_header(header)?;
        let payload = decode(payload)?;
        let signature_len = decode(signature)?.len();
        Ok(Self { message, signature, signature_len, payload, algorithm, kid })
    }
}

/// The decoder takes no padding, no other alphabet, no whitespace and no stray bits at the end: one spelling for one
/// token.
fn decode(segment: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Refusal::Encoding)
}

fn check_header(mut header: Map<String, Value>) -> Result<(Algorithm, String), Refusal> {
    if header.contains_key("crit") {
        return Err(Refusal::Critical);
    }
    if KEY_MEMBERS.iter().any(|member| header.contains_key(*member)) {
        return Err(Refusal::EmbeddedKey);
    }
    if !header.get("typ").and_then(Value::as_str).is_some_and(is_access_token) {
        return Err(Refusal::Type);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::find).ok_or(Refusal::Algorithm)?;
    match header.remove("kid") {
        Some(Value::String(kid)) if !kid.is_empty() => Ok((algorithm, kid)),
        _ => Err(Refusal::KeyMissing),
    }
}

/// Media types are compared without case, and `application/` may be left out (RFC 7515 section 4.1.9).
fn is_access_token(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}
