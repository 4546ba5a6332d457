//! What an authorization code is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clients::ClientId;

/// What every code begins with, for scanners of leaked secrets.
const PREFIX: &str = "mac1_";
const CODE_BYTES: usize = 36;

/// The text is no code of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an authorization code of this server")]
pub struct Malformed;

/// A code: its end and its secret. Debug prints neither.
#[derive(Clone)]
pub struct Code {
    bytes: Zeroizing<[u8; CODE_BYTES]>,
}

impl Code {
    /// One with a new secret that ends at `expires_at`, whose fraction of a second is dropped.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(expires_at: DateTime<Utc>) -> Result<Self, getrandom::Error> {
        let expiry = u32::try_from(expires_at.timestamp().max(0)).unwrap_or(u32::MAX);
        let mut bytes = Zeroizing::new([0_u8; CODE_BYTES]);
        let (front, secret) = bytes.split_at_mut(4);
        front.copy_from_slice(&expiry.to_be_bytes());
        getrandom::fill(secret)?;
        Ok(Self { bytes })
    }

    /// Reads what [`Code::text`] wrote; nothing else, so that a code has one spelling.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let encoded = text.strip_prefix(PREFIX).ok_or(Malformed)?;
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Malformed)?);
        let bytes: [u8; CODE_BYTES] = decoded.as_slice().try_into().map_err(|_| Malformed)?;
        Ok(Self { bytes: Zeroizing::new(bytes) })
    }

    /// As it stands in the redirect, once.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.bytes.as_slice()))
    }

    /// What the row holds in place of the code.
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

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// What a code stands for.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// Who may redeem it.
    pub client_id: ClientId,
    /// Who allowed it.
    pub sub: Uuid,
    /// The user's version then.
    pub user_version: i64,
    /// The browser session in which that was.
    pub session_id: Uuid,
    /// Where the browser carries it, byte for byte as in the request.
    pub redirect_uri: String,
    /// What its tokens are for when nobody names another resource server; `None` is what the client's are for.
    pub audience: Option<String>,
    /// What was allowed.
    pub scope: ScopeSet,
    /// For the `id_token`, from the client.
    pub nonce: Option<String>,
    /// The S256 challenge (RFC 7636 section 4.2).
    pub code_challenge: String,
    /// The key whose holder alone may redeem it, where the request named one (RFC 9449 section 10).
    pub dpop_jkt: Option<Thumbprint>,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
}

/// A code as it stands in its row.
#[derive(Clone, Debug)]
pub struct StoredCode {
    /// What it stands for.
    pub given_for: NewCode,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Redemptions with a wrong verifier.
    pub failures: i16,
    /// When it was redeemed.
    pub consumed_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_has_one_spelling_and_tells_its_end() {
        let end = DateTime::from_timestamp(1_800_000_000, 5).unwrap();
        let code = Code::generate(end).unwrap();
        let read = Code::parse(&code.text()).unwrap();
        assert_eq!((read.text(), read.expires_at().timestamp()), (code.text(), 1_800_000_000));
        assert_ne!(Code::generate(end).unwrap().hash(), code.hash());
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "(mac1_)?[A-Za-z0-9_=+/-]{0,60}") {
            if let Ok(code) = Code::parse(&text) {
                prop_assert_eq!(code.text(), text);
            }
        }
    }
}
