//! What a waiting device is.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use shared::token::scope::ScopeSet;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::user_code::UserCode;
use crate::clients::ClientId;

/// What every device code begins with, for scanners of leaked secrets.
const PREFIX: &str = "mdc1_";
const CODE_BYTES: usize = 36;

/// The text is no device code of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a device code of this server")]
pub struct Malformed;

/// How long devices wait.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSettings {
    /// From the start until nobody may say anything to it any more.
    pub ttl: Duration,
    /// Between two polls, at first.
    pub interval: Duration,
}

/// What a device waits with: its end and its secret. Debug prints neither.
#[derive(Clone)]
pub struct DeviceCode {
    bytes: Zeroizing<[u8; CODE_BYTES]>,
}

impl DeviceCode {
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

    /// Reads what [`DeviceCode::text`] wrote; nothing else, so that a code has one spelling.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let encoded = text.strip_prefix(PREFIX).ok_or(Malformed)?;
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Malformed)?);
        let bytes: [u8; CODE_BYTES] = decoded.as_slice().try_into().map_err(|_| Malformed)?;
        Ok(Self { bytes: Zeroizing::new(bytes) })
    }

    /// As the device gets it, once.
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

impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCode(…)")
    }
}

/// What a device asks for when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Who asks.
    pub client_id: &'a ClientId,
    /// The resource server that its tokens are for, unless a later request names another.
    pub audience: &'a str,
    /// What it asks for.
    pub scope: &'a ScopeSet,
}

/// What a device is told when it starts.
#[derive(Clone, Debug)]
pub struct Started {
    /// For the device alone.
    pub device_code: DeviceCode,
    /// For the person.
    pub user_code: UserCode,
    /// How long both are good.
    pub ttl: Duration,
    /// Between two polls.
    pub interval: Duration,
}

/// A device as a person finds it by its user code.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What was typed.
    pub user_code: UserCode,
    /// When it ends; with the code it names the row.
    pub expires_at: DateTime<Utc>,
    /// Who waits.
    pub client_id: ClientId,
    /// What it asks for.
    pub scope: ScopeSet,
}

/// What a person allowed a device.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Who allowed it.
    pub sub: Uuid,
    /// The user's version then.
    pub user_version: i64,
    /// The browser session in which that was.
    pub session_id: Uuid,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// What was allowed.
    pub scope: ScopeSet,
}

/// What a person said to a device.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing yet.
    None,
    /// No.
    Denied,
    /// Yes.
    Approved(Approval),
}

/// What a poll finds.
#[derive(Clone, Debug)]
pub struct Polled {
    /// What its tokens are for, unless the request names another.
    pub audience: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Whether this poll came before its time, while nobody had decided; the interval is longer now.
    pub is_early: bool,
    /// What was said.
    pub decision: Decision,
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
        let code = DeviceCode::generate(end).unwrap();
        let read = DeviceCode::parse(&code.text()).unwrap();
        assert_eq!((read.text(), read.expires_at().timestamp()), (code.text(), 1_800_000_000));
        assert_ne!(DeviceCode::generate(end).unwrap().hash(), code.hash());
        assert_eq!(format!("{code:?}"), "DeviceCode(…)");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "(mdc1_)?[A-Za-z0-9_=+/-]{0,60}") {
            if let Ok(code) = DeviceCode::parse(&text) {
                prop_assert_eq!(code.text(), text);
            }
        }
    }
}
