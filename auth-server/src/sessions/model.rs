//! What a browser session is.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::users::User;

/// What every session secret begins with, for scanners of leaked secrets.
const PREFIX: &str = "mss1_";

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// Without being used.
    pub idle: Duration,
    /// However often they are used.
    pub absolute: Duration,
}

/// The secret in the cookie. Debug prints nothing of it.
pub struct SessionToken(Zeroizing<String>);

impl SessionToken {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))))
    }

    /// As it stands in the cookie.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// A session's row.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id, as families know it.
    pub session_id: Uuid,
    /// Who logged in.
    pub sub: Uuid,
    /// The user's version then.
    pub user_version: i64,
    /// When they proved who they are.
    pub auth_time: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub used_at: DateTime<Utc>,
    /// When it ends unless it is used before.
    pub idle_expires_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A session that is alive, and its user.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The session.
    pub session: Session,
    /// Who is logged in.
    pub user: User,
}

/// A live session in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its id.
    pub session_id: Uuid,
    /// Who logged in.
    pub sub: Uuid,
    /// Their address.
    pub email: String,
    /// When they proved who they are.
    pub auth_time: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub used_at: DateTime<Utc>,
    /// When it ends unless it is used before.
    pub idle_expires_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}
