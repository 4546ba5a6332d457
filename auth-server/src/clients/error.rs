//! Why a client was not authenticated, or could not be changed.

use shared::db::DbError;

use super::assertion::AssertionError;
use super::model::{ClientId, ClientKind};

/// Why a client was not authenticated. All but the last are one answer on the wire.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// No client has this id, or it was deleted.
    #[error("the client is unknown")]
    Unknown,
    /// It may not ask for tokens now.
    #[error("the client is disabled")]
    Disabled,
    /// A confidential client sent no secret.
    #[error("the client sent no secret, but has one")]
    SecretMissing,
    /// None of its secrets that are still good.
    #[error("the client's secret is wrong")]
    SecretWrong,
    /// A public client sent one: whoever wrote the request believes something wrong.
    #[error("the client sent a secret, but is public")]
    SecretUnexpected,
    /// It is registered to sign with a key of its own.
    #[error("the client signs with a key of its own, and sent no assertion")]
    AssertionMissing,
    /// It is registered with a secret or as a public client.
    #[error("the client sent an assertion, but is not registered to sign")]
    AssertionUnexpected,
    /// What it signed is not good.
    #[error("the client's assertion is refused: {0}")]
    Assertion(#[from] AssertionError),
    /// The database gave no answer.
    #[error(transparent)]
    Internal(#[from] DbError),
}

/// A rule of registration that a client breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Broken {
    /// The field, as `client show --output json` names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Broken {
    pub(super) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}

/// Why clients could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Ids are never given out twice, not even after a deletion.
    #[error("the client_id `{0}` is taken or was taken before: choose another")]
    Taken(ClientId),
    /// No such client.
    #[error("there is no client `{0}`")]
    Unknown(ClientId),
    /// Public clients have none, and neither have those that sign with a key of their own.
    #[error("the client `{0}` has no secret: it is public, or signs with a key of its own")]
    NoSecret(ClientId),
    /// A confidential client cannot become a public one, nor the other way: its tokens were given under other rules.
    #[error("the client `{client_id}` is {}, which does not change: register another and delete this one", .kind.as_str())]
    Kind {
        /// The client.
        client_id: ClientId,
        /// What it is.
        kind: ClientKind,
    },
    /// A rule of registration.
    #[error("client `{client_id}`: {broken}")]
    Rule {
        /// The client.
        client_id: ClientId,
        /// The field and what is wrong with it.
        broken: Broken,
    },
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer.
    #[error(transparent)]
    Internal(#[from] DbError),
}
