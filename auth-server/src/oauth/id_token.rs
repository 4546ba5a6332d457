//! Reading an `id_token` of our own that a client hands back as a hint (OpenID Connect core section 3.1.2.1, RP-initiated
//! logout section 2). It says who is meant and allows nothing, so an expired one is good enough.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use crate::state::AppState;

/// Longer is none of ours.
const LIMIT: usize = 8 * 1024;

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

/// What a hint says.
#[derive(Debug, Deserialize)]
pub(crate) struct Hint {
    iss: String,
    /// Who is meant.
    pub sub: Uuid,
    /// The client that it was given to.
    pub aud: String,
}

/// What an `id_token` says that this server signed with a key which it still publishes.
pub(crate) fn read(state: &AppState, text: &str) -> Option<Hint> {
    if text.len() > LIMIT {
        return None;
    }
    let (message, signature) = text.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header: Header = decode(header)?;
    // `typ` tells it from an access token, which is signed by the same keys (RFC 8725 section 3.11).
    if header.typ != "JWT" {
        return None;
    }
    let keys = state.keys.verifying().load_full();
    let key = keys.find(&header.kid)?;
    let is_signed = key.algorithm().as_str() == header.alg && key.verify(message.as_bytes(), signature);
    let hint: Hint = decode(payload)?;
    (is_signed && hint.iss == state.config.issuer.as_str()).then_some(hint)
}

/// Who a hint means that was read before.
pub(crate) fn subject(text: &str) -> Option<Uuid> {
    let hint: Hint = decode(text.split('.').nth(1)?)?;
    Some(hint.sub)
}

fn decode<T: serde::de::DeserializeOwned>(segment: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}
