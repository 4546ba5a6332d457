//! What a user is.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::Email;
use crate::passwords::Weakness;

/// A user, without the password's hash.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The public id; `sub` of tokens.
    pub sub: Uuid,
    /// The address as it was typed when the user was made. Rows of the old application may hold any text.
    pub email: String,
    /// What people call the user.
    pub name: Option<String>,
    /// Whether somebody has shown that mail arrives there.
    pub email_verified: bool,
    /// The user's own scopes; `None` means those of the settings ([`super::Users::scopes_of`]).
    pub scopes: Option<ScopeSet>,
    /// `ver` of tokens: goes up when all tokens given out so far must die.
    pub token_version: i64,
    /// Since when the user cannot log in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the row was made, or adopted from the old application.
    pub created_at: DateTime<Utc>,
    /// When a password was last set here; `None` for one of the old application.
    pub password_changed_at: Option<DateTime<Utc>>,
}

impl User {
    /// Whether the user can log in.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.disabled_at.is_none()
    }
}

impl fmt::Debug for User {
    /// Addresses and names do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("sub", &self.sub)
            .field("token_version", &self.token_version)
            .field("disabled_at", &self.disabled_at)
            .finish_non_exhaustive()
    }
}

/// What people call a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {} characters without control characters", Name::MAX_LENGTH)]
pub struct NameError;

impl Name {
    /// Code points at most.
    pub const MAX_LENGTH: usize = 200;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_bounded = text.chars().take(Self::MAX_LENGTH + 1).count() <= Self::MAX_LENGTH;
        if text.trim().is_empty() || !is_bounded || text.chars().any(char::is_control) {
            return Err(NameError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// What makes a user.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The address to log in by.
    pub email: Email,
    /// What people call the user.
    pub name: Option<Name>,
    /// Own scopes; `None` follows the settings.
    pub scopes: Option<ScopeSet>,
}

/// A user that was made or given a password.
#[derive(Clone, Debug)]
pub struct Created {
    /// The user as the database now has it.
    pub user: User,
    /// What is weak about the password, for a warning.
    pub weakness: Option<Weakness>,
}

/// Which user an operator means: a `sub`, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRef {
    /// The public id.
    Sub(Uuid),
    /// An address, exact or in canonical form.
    Address(String),
}

impl FromStr for UserRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Uuid::parse_str(text).map_or_else(|_| Self::Address(text.to_owned()), Self::Sub))
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sub(sub) => sub.fmt(formatter),
            Self::Address(address) => formatter.write_str(address),
        }
    }
}

/// Rows that share one canonical address. Those without it log in by their exact spelling only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clash {
    /// The canonical form that they share.
    pub canonical: String,
    /// The addresses as they stand, sorted; the row that already holds the canonical form included.
    pub addresses: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bounded_and_printable() {
        assert!("John Smith".parse::<Name>().is_ok());
        assert!("ñ".repeat(200).parse::<Name>().is_ok());
        for text in ["", "  ", "a\nb", "a\0b", &"x".repeat(201)] {
            assert_eq!(text.parse::<Name>(), Err(NameError), "{text:?}");
        }
    }
}
