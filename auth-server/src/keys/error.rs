//! Why a use case of this room fails.

use shared::db::DbError;

use super::material::MaterialError;
use super::private_file::ImportError;
use super::seal::SealError;
use super::signer::SignError;

/// Why signing keys cannot be loaded, used or changed. The texts are for operators and hold no key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The table is empty.
    #[error("there is no signing key; make one with `auth-server key generate`")]
    NoKey,
    /// There are keys, and none of them signs.
    #[error("no signing key is active; make one that is with `auth-server key generate --activate`")]
    NoActiveKey,
    /// A key that signs, or is to sign, cannot be opened.
    #[error(
        "signing key {kid} cannot be opened: {source}. Configure the key encryption key that sealed it \
         (MYAPI_AUTH__KEY_ENCRYPTION_KEY, or MYAPI_AUTH__KEY_ENCRYPTION_KEY_PREVIOUS for an earlier one)"
    )]
    CannotOpen {
        /// The key.
        kid: String,
        /// Why; names the key encryption key.
        source: SealError,
    },
    /// A private half opens and is not the one of the published public half.
    #[error("signing key {kid} in myapi.signing_keys is broken: {reason}")]
    BrokenKey {
        /// The key.
        kid: String,
        /// What is wrong.
        reason: String,
    },
    /// No such key.
    #[error("there is no signing key {0}")]
    NotFound(String),
    /// A retired key never signs again.
    #[error("signing key {0} is retired or revoked and cannot sign again")]
    Retired(String),
    /// Only a key that has never signed can be taken back.
    #[error(
        "signing key {kid} is {state}: only a next key can be taken back. `key rotate` lets another one sign; \
         `key revoke` ends everything that it signed"
    )]
    InUse {
        /// The key.
        kid: String,
        /// Its state.
        state: &'static str,
    },
    /// Kids are unique.
    #[error("there is already a signing key {0}")]
    KidTaken(String),
    /// A file that is refused.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A key that is refused.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// A token was not signed, or a key failed its self-check.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A defect.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<sqlx::Error> for KeysError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}
