//! The document that resource servers fetch: every published key, public members only (RFC 7517 section 5).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::token::keys::{Jwk, VerifyingKey};

/// The JWK Set as bytes, and its entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksDocument {
    /// The JSON, the same bytes for the same keys.
    pub body: Bytes,
    /// A strong entity tag with its quotes (RFC 9110 section 8.8.3), ready for `ETag`.
    pub etag: String,
}

#[derive(Serialize)]
struct Document<'a> {
    keys: Vec<&'a Jwk>,
}

impl JwksDocument {
    /// Writes `keys` in their order.
    ///
    /// # Errors
    /// Public keys always have a JSON form; the encoder's signature has an error.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a VerifyingKey>) -> Result<Self, serde_json::Error> {
        let keys = keys.into_iter().map(VerifyingKey::jwk).collect();
        let body = Bytes::from(serde_json::to_vec(&Document { keys })?);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        Ok(Self { body, etag })
    }
}
