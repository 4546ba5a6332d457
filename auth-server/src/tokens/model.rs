//! What a refresh token and its family are.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clients::{Client, ClientId};
use crate::users::User;

/// What every refresh token begins with, for scanners of leaked secrets.
const PREFIX: &str = "mrt1_";
const SECRET_BYTES: usize = 32;
const TOKEN_BYTES: usize = 4 + SECRET_BYTES;

/// How long refresh tokens live where a client does not say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct RefreshSettings {
    /// Of a token that is not used.
    pub idle: Duration,
    /// Of a family, however often it is used; no client may have a longer one.
    pub absolute: Duration,
    /// In which a spent token answers its successor again; zero turns that off.
    pub retry_window: Duration,
}

impl RefreshSettings {
    /// The same as one client has them.
    #[must_use]
    pub fn of(self, client: &Client) -> Self {
        let lifetimes = client.lifetimes;
        let absolute = lifetimes.refresh_absolute.unwrap_or(self.absolute).min(self.absolute);
        Self {
            idle: lifetimes.refresh_idle.unwrap_or(self.idle).min(absolute),
            absolute,
            retry_window: lifetimes.retry_window.unwrap_or(self.retry_window),
        }
    }
}

/// The text is no refresh token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token of this server")]
pub struct Malformed;

/// A refresh token: its end and its secret. Debug prints neither.
#[derive(Clone)]
pub struct RefreshToken {
    bytes: Zeroizing<[u8; TOKEN_BYTES]>,
}

impl RefreshToken {
    /// One with a new secret that ends at `expires_at`, whose fraction of a second is dropped.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(expires_at: DateTime<Utc>) -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0_u8; SECRET_BYTES]);
        getrandom::fill(secret.as_mut_slice())?;
        Ok(Self::new(whole_seconds(expires_at), &secret))
    }

    pub(super) fn new(expiry: u32, secret: &[u8; SECRET_BYTES]) -> Self {
        let mut bytes = Zeroizing::new([0_u8; TOKEN_BYTES]);
        let (front, back) = bytes.split_at_mut(TOKEN_BYTES - SECRET_BYTES);
        front.copy_from_slice(&expiry.to_be_bytes());
        back.copy_from_slice(secret);
        Self { bytes }
    }

    /// Reads what [`RefreshToken::text`] wrote; nothing else, so that a token has one spelling.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let encoded = text.strip_prefix(PREFIX).ok_or(Malformed)?;
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Malformed)?);
        let bytes: [u8; TOKEN_BYTES] = decoded.as_slice().try_into().map_err(|_| Malformed)?;
        Ok(Self { bytes: Zeroizing::new(bytes) })
    }

    /// Whether a text means to be a refresh token of this server.
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// As the client gets it, once.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.bytes.as_slice()))
    }

    /// What the row holds in place of the token.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.bytes.as_slice()).into()
    }

    /// When it ends, whoever made it: only a row makes that true.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.expiry().into())
    }

    pub(super) fn expiry(&self) -> u32 {
        self.bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    pub(super) fn secret(&self) -> &[u8] {
        self.bytes.split_at(TOKEN_BYTES - SECRET_BYTES).1
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// Seconds since 1970; good until the year 2106.
pub(super) fn whole_seconds(at: DateTime<Utc>) -> u32 {
    u32::try_from(at.timestamp().max(0)).unwrap_or(u32::MAX)
}

/// What a family is made of.
pub struct NewFamily<'a> {
    /// Who logged in.
    pub user: &'a User,
    /// For whom.
    pub client: &'a Client,
    /// What was granted.
    pub scope: &'a ScopeSet,
    /// The resource server of a token when nobody names another.
    pub audience: &'a str,
    /// The browser session that it came from, where there was one: it ends with it.
    pub session_id: Option<Uuid>,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// Life of the access token that is given out with it.
    pub access_ttl: Duration,
    /// The key that the access token is bound to; a public client's refresh tokens are bound to it as well.
    pub key: Option<&'a Thumbprint>,
}

/// What came from one login of one client.
#[derive(Clone, Debug)]
pub struct Family {
    /// The `sid` of its tokens.
    pub family_id: Uuid,
    /// Whose it is.
    pub sub: Uuid,
    /// For whom.
    pub client_id: ClientId,
    /// What was granted; a refresh may ask for less, and the next one has it all again.
    pub scope: ScopeSet,
    /// The resource server of a token when nobody names another.
    pub audience: String,
    /// The user's version at the login.
    pub user_version: i64,
    /// The client's version at the login.
    pub client_version: i64,
    /// The browser session that it came from.
    pub session_id: Option<Uuid>,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// The longest life that one of its access tokens was given.
    pub access_ttl: Duration,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends, however often it is used.
    pub expires_at: DateTime<Utc>,
    /// The key whose holder alone may refresh.
    pub dpop_jkt: Option<Thumbprint>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_has_one_spelling(expiry: u32, secret: [u8; 32]) {
            let token = RefreshToken::new(expiry, &secret);
            let read = RefreshToken::parse(&token.text()).unwrap();
            prop_assert_eq!(read.text(), token.text());
            prop_assert_eq!(read.expires_at().timestamp(), i64::from(expiry));
            prop_assert_eq!(read.secret(), secret.as_slice());
        }

        #[test]
        fn whatever_is_read_is_written_the_same(text in "(mrt1_)?[A-Za-z0-9_=+/-]{0,60}") {
            if let Ok(token) = RefreshToken::parse(&text) {
                prop_assert_eq!(token.text(), text);
            }
        }
    }

    #[test]
    fn debug_prints_nothing_of_it() {
        assert_eq!(format!("{:?}", RefreshToken::new(1, &[7; 32])), "RefreshToken(…)");
    }
}
