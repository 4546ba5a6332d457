//! Client secrets: random, shown once, hashed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::assertion::Assertion;
use super::model::ClientId;

/// The most secrets that are good at one time: the one in use, and the one before or after it.
pub const MOST_SECRETS: usize = 2;

/// How long the older secret stays good after a rotation, where nobody says otherwise: long enough to roll a deployment.
pub const KEEP_OLDER: Duration = Duration::from_secs(86_400);

/// The longest that an older secret can be kept.
pub const KEEP_OLDER_LIMIT: Duration = Duration::from_secs(90 * 86_400);

/// What a request said about its client, not yet believed.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The id.
    pub client_id: ClientId,
    /// What is to prove it.
    pub proof: Proof,
}

/// How a request proves whose it is.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Not at all, or by an empty secret.
    None,
    /// By a secret.
    Secret(SecretString),
    /// By a signed assertion of the same client.
    Assertion(Box<Assertion>),
}

/// A client secret: `mcs1_` and 256 random bits in base64url. Printed once, then only its hash is known.
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(SecretString::from(format!("mcs1_{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))))
    }

    /// The text, for the one time that it is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.expose())
    }
}

/// The SHA-256 of a client secret, written `sha256:` and base64url. It may be read by anybody as long as the secret is
/// random: `client new-secret` makes such a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of what somebody presented.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// As it stands in the database.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Whether it is one of `kept`, in a time that does not depend on which.
    pub(super) fn is_among<'a>(&self, kept: impl IntoIterator<Item = &'a Self>) -> bool {
        kept.into_iter().fold(subtle::Choice::from(0), |any, hash| any | hash.0.ct_eq(&self.0)).into()
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for SecretHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.strip_prefix("sha256:").and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok());
        bytes
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or("it is `sha256:` and 43 characters, as `client new-secret` prints it")
    }
}

impl Serialize for SecretHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is known of a secret that is good.
#[derive(Clone, Debug, Serialize)]
pub struct KnownSecret {
    /// What is kept of it.
    pub secret_hash: SecretHash,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends; `None` for the newest.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What a rotation gave.
pub struct Rotated {
    /// The new secret.
    pub secret: ClientSecret,
    /// Until when the one before it is good; `None` where it is not, or there was none.
    pub older_expires_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let secret = ClientSecret::generate().unwrap();
        let hash = secret.hash();
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "sha256:", "sha256:AA", &format!("{hash}="), &hash.to_string().to_uppercase(), secret.expose()]
        {
            assert!(bad.parse::<SecretHash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_found_wherever_it_stands() {
        let [a, b, c] = ["a", "b", "c"].map(SecretHash::of);
        let kept = [a, b];
        assert!(a.is_among(&kept) && b.is_among(&kept));
        assert!(!c.is_among(&kept) && !a.is_among(&[]));
    }
}
