//! What a `request_uri` is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What every `request_uri` of a pushed request begins with (RFC 9126 section 2.2).
pub const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// What its secret part begins with, for scanners of leaked secrets.
const SECRET_PREFIX: &str = "mpr1_";
const BYTES: usize = 36;

/// The text is no `request_uri` of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request_uri of this server")]
pub struct Malformed;

/// The name of a pushed request: its end and its secret. Debug prints neither.
#[derive(Clone)]
pub struct RequestUri {
    bytes: Zeroizing<[u8; BYTES]>,
}

impl RequestUri {
    /// One with a new secret that ends at `expires_at`, whose fraction of a second is dropped.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(expires_at: DateTime<Utc>) -> Result<Self, getrandom::Error> {
        let expiry = u32::try_from(expires_at.timestamp().max(0)).unwrap_or(u32::MAX);
        let mut bytes = Zeroizing::new([0_u8; BYTES]);
        let (front, secret) = bytes.split_at_mut(4);
        front.copy_from_slice(&expiry.to_be_bytes());
        getrandom::fill(secret)?;
        Ok(Self { bytes })
    }

    /// Reads what [`RequestUri::text`] wrote; nothing else, so that a name has one spelling.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let secret = text.strip_prefix(PREFIX).and_then(|secret| secret.strip_prefix(SECRET_PREFIX));
        let decoded = URL_SAFE_NO_PAD.decode(secret.ok_or(Malformed)?).map_err(|_| Malformed)?;
        let bytes: [u8; BYTES] = Zeroizing::new(decoded).as_slice().try_into().map_err(|_| Malformed)?;
        Ok(Self { bytes: Zeroizing::new(bytes) })
    }

    /// As the client gets it, once.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(self.bytes.as_slice()))
    }

    /// What the row holds in its place.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.bytes.as_slice()).into()
    }

    /// When it ends, whoever made it: only a row makes that true.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        let expiry = self.bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        DateTime::UNIX_EPOCH + TimeDelta::seconds(expiry.into())
    }
}

impl fmt::Debug for RequestUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestUri(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_uri_has_one_spelling_and_tells_its_end() {
        let end = DateTime::from_timestamp(1_800_000_000, 5).unwrap();
        let made = RequestUri::generate(end).unwrap();
        let read = RequestUri::parse(&made.text()).unwrap();
        assert_eq!((read.text(), read.expires_at().timestamp()), (made.text(), 1_800_000_000));
        assert_ne!(RequestUri::generate(end).unwrap().hash(), made.hash());
        assert_eq!(format!("{made:?}"), "RequestUri(…)");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(
            text in "(urn:ietf:params:oauth:request_uri:)?(mpr1_)?[A-Za-z0-9_=+/-]{0,60}",
        ) {
            if let Ok(read) = RequestUri::parse(&text) {
                prop_assert_eq!(read.text(), text);
            }
        }
    }
}
