//! What is recorded.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::kind::Kind;

/// How it ended. The names stand in rows and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was not allowed.
    Refused,
    /// It was not looked at: too many failures before it.
    Throttled,
    /// It went wrong.
    Failed,
}

impl Outcome {
    /// The name in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Outcome {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Ok, Self::Refused, Self::Throttled, Self::Failed];
        let found = all.into_iter().find(|outcome| outcome.as_str() == text);
        found.ok_or("the outcomes are ok, refused, throttled, failed")
    }
}

/// What a service says of what happened; the trail adds who, whence and when.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) detail: Option<String>,
}

impl Event {
    /// It was done.
    #[must_use]
    pub const fn ok(kind: Kind) -> Self {
        Self { kind, outcome: Outcome::Ok, reason: None, subject: None, client_id: None, detail: None }
    }

    /// It ended otherwise, for a reason that names nobody and repeats nothing of the request.
    #[must_use]
    pub fn not_ok(kind: Kind, outcome: Outcome, reason: impl ToString) -> Self {
        Self { outcome, reason: Some(reason.to_string()), ..Self::ok(kind) }
    }

    /// The user it is about, by `sub`.
    #[must_use]
    pub fn subject(self, sub: impl ToString) -> Self {
        Self { subject: Some(sub.to_string()), ..self }
    }

    /// The client it is about.
    #[must_use]
    pub fn client(self, client_id: impl ToString) -> Self {
        Self { client_id: Some(client_id.to_string()), ..self }
    }

    /// What else is worth knowing: a grant, a kid, a number.
    #[must_use]
    pub fn detail(self, detail: impl ToString) -> Self {
        Self { detail: Some(detail.to_string()), ..self }
    }
}

/// An event with its circumstances, before it has a place in a chain.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) at: DateTime<Utc>,
    pub(super) event: Event,
    pub(super) address: Option<String>,
    pub(super) request_id: Option<Uuid>,
    pub(super) actor: String,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Row {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened, a name of [`Kind`].
    pub event: String,
    /// How it ended, a name of [`Outcome`].
    pub outcome: String,
    /// Why it did not go well.
    pub reason: Option<String>,
    /// The `sub` of the user it is about.
    pub subject: Option<String>,
    /// The client it is about, or through which it happened.
    pub client_id: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
    /// The request, as its answer's `x-request-id` says.
    pub request_id: Option<Uuid>,
    /// Who did it: `client`, `server`, or `cli:` and the user of the operating system.
    pub actor: String,
    /// What else is worth knowing.
    pub detail: Option<String>,
    /// The process that wrote it.
    pub writer: Uuid,
    /// Its number in that process's chain, from 1.
    pub seq: i64,
    /// The hash before it.
    #[serde(serialize_with = "as_hex")]
    pub prev_hash: Vec<u8>,
    /// The hash of this row.
    #[serde(serialize_with = "as_hex")]
    pub hash: Vec<u8>,
}

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&super::chain::hex(bytes))
}

/// Which rows are meant; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// From this moment on.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Of this kind.
    pub event: Option<Kind>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// About this `sub`.
    pub subject: Option<String>,
    /// About or through this client.
    pub client_id: Option<String>,
}
