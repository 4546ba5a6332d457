//! What a signing key is: its name, its state, its row.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::token::keys::VerifyingKey;

use super::seal::Sealed;

/// Longest `kid` that an operator may choose.
const MAX_KID: usize = 128;

/// Where a key is in its life: published before it signs, signing, published until its last token is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, does not sign yet.
    Next,
    /// Signs. There is at most one.
    Active,
    /// Signs no more, still verifies.
    Retired,
    /// Everything that it signed is dead.
    Revoked,
}

impl KeyState {
    /// Whether its public half stands in the JWK Set.
    #[must_use]
    pub const fn is_published(self) -> bool {
        match self {
            Self::Next | Self::Active | Self::Retired => true,
            Self::Revoked => false,
        }
    }

    /// The name in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

impl FromStr for KeyState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Next, Self::Active, Self::Retired, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("state `{text}` is unknown"))
    }
}

/// A row of `myapi.signing_keys`.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The public half: kid, algorithm, numbers.
    pub public: VerifyingKey,
    /// Where it is in its life.
    pub state: KeyState,
    /// The private half, encrypted.
    pub sealed: Sealed,
    /// When it was made or imported.
    pub created_at: DateTime<Utc>,
    /// When it began to sign.
    pub activated_at: Option<DateTime<Utc>>,
    /// When it ceased to sign.
    pub retired_at: Option<DateTime<Utc>>,
    /// When everything under it died.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The `kid` that an operator chose for a key: 1 to 128 characters that need no escape anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(String);

impl KeyId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        if text.is_empty() || text.len() > MAX_KID || !is_plain {
            return Err("a kid has 1 to 128 characters out of A-Z a-z 0-9 - . _ ~");
        }
        Ok(Self(text.to_owned()))
    }
}
