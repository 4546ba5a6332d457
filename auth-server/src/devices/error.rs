//! Why devices and people are refused.

use shared::db::DbError;

use crate::limits::{ChargeError, Throttled};
use crate::tokens;

/// Why no flow was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address or the client has started too many.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<ChargeError> for StartError {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Throttled(throttled) => throttled.into(),
            ChargeError::Database(error) => error.into(),
            // Starts do not wait for each other.
            ChargeError::Busy => DbError::from(sqlx::Error::PoolTimedOut).into(),
        }
    }
}

/// Why a person's code leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Mistyped, made up, expired, or gone with its partition.
    #[error("no device waits with this user code")]
    Unknown,
    /// Somebody has allowed or denied it.
    #[error("the user code was answered before")]
    Decided,
    /// Too many wrong codes.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<ChargeError> for FindError {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Throttled(throttled) => throttled.into(),
            ChargeError::Database(error) => error.into(),
            ChargeError::Busy => DbError::from(sqlx::Error::PoolTimedOut).into(),
        }
    }
}

/// Why a decision does not count.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Somebody was faster, or time has passed.
    #[error("the user code was answered before, or has expired")]
    Late,
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Why a device gets no token.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not one of this server's making.
    #[error("the text is no device code of this server")]
    Malformed,
    /// No row of this client's: never given out, another client's, or gone with its partition.
    #[error("no such device code is known for this client")]
    Unknown,
    /// Nobody has decided yet.
    #[error("nobody has answered the device yet")]
    Pending,
    /// Nobody has, and the device asked before its time.
    #[error("the device polls faster than its interval")]
    SlowDown,
    /// A person said no.
    #[error("a person denied the device")]
    Denied,
    /// Too late.
    #[error("the device code has expired")]
    Expired,
    /// Used before.
    #[error("the device code was used before")]
    Spent,
    /// The browser session in which it was allowed has ended since.
    #[error("the browser session of the approval has ended")]
    SessionEnded,
    /// The user was disabled, deleted, or has another version.
    #[error("the user changed since the approval")]
    UserChanged,
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer: the code is as it was, or was consumed and the answer is lost.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<tokens::StartError> for DeviceError {
    fn from(error: tokens::StartError) -> Self {
        match error {
            tokens::StartError::UserChanged => Self::UserChanged,
            tokens::StartError::Randomness(error) => Self::Randomness(error),
            tokens::StartError::Database(error) => Self::Database(error),
        }
    }
}
