//! What is recorded.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// What happened. The names stand in rows and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user proved who they are, or failed to.
    Login,
    /// Failures of an account, an address, a network or a client are being slowed down.
    Throttle,
    /// A client failed to prove who it is.
    ClientAuthentication,
    /// An access token was given out.
    TokenIssued,
    /// A grant was refused to a client that is who it says.
    TokenRefused,
    /// A refresh token was used twice; its login is over.
    RefreshReuse,
    /// A client gave a token back.
    Revocation,
    /// A device began to wait for its approval.
    DeviceStarted,
    /// A person allowed a device.
    DeviceApproved,
    /// A person denied a device.
    DeviceDenied,
    /// A browser was signed in, on the login page.
    SessionStarted,
    /// A browser was signed out: by its person, a client, an operator, or another person who signed in there.
    SessionEnded,
    /// A person was asked what a client may do, and answered.
    Consent,
    /// What a person had allowed was taken back.
    ConsentWithdrawn,
    /// A user was made.
    UserCreated,
    /// Users were brought in from elsewhere.
    UsersImported,
    /// A user was disabled.
    UserDisabled,
    /// A user was let in again.
    UserEnabled,
    /// A user was deleted.
    UserDeleted,
    /// A user's password was set.
    UserPassword,
    /// What a user's tokens may be for was changed.
    UserScopes,
    /// A client was registered.
    ClientCreated,
    /// A client was changed.
    ClientUpdated,
    /// A client was disabled.
    ClientDisabled,
    /// A client was let in again.
    ClientEnabled,
    /// A client was deleted.
    ClientDeleted,
    /// A client got a new secret.
    ClientSecret,
    /// A signing key was made or taken in.
    KeyCreated,
    /// A signing key signs from now on.
    KeyActivated,
    /// A key that never signed was taken back.
    KeyRetired,
    /// Everything that a key signed is dead.
    KeyRevoked,
    /// Signing keys were moved to another key encryption key.
    KeysReencrypted,
    /// A resource server or its scopes were registered or changed.
    ResourceServer,
    /// A process that reported which keys it holds is waited for no more.
    InstanceForgotten,
    /// A restored database was taken into use.
    Restored,
    /// A server began to answer.
    ServerStarted,
    /// A server ended in order.
    ServerStopped,
    /// Records were lost; how many.
    AuditLost,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 38] = [
        Self::Login,
        Self::Throttle,
        Self::ClientAuthentication,
        Self::TokenIssued,
        Self::TokenRefused,
        Self::RefreshReuse,
        Self::Revocation,
        Self::DeviceStarted,
        Self::DeviceApproved,
        Self::DeviceDenied,
        Self::SessionStarted,
        Self::SessionEnded,
        Self::Consent,
        Self::ConsentWithdrawn,
        Self::UserCreated,
        Self::UsersImported,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::UserDeleted,
        Self::UserPassword,
        Self::UserScopes,
        Self::ClientCreated,
        Self::ClientUpdated,
        Self::ClientDisabled,
        Self::ClientEnabled,
        Self::ClientDeleted,
        Self::ClientSecret,
        Self::KeyCreated,
        Self::KeyActivated,
        Self::KeyRetired,
        Self::KeyRevoked,
        Self::KeysReencrypted,
        Self::ResourceServer,
        Self::InstanceForgotten,
        Self::Restored,
        Self::ServerStarted,
        Self::ServerStopped,
        Self::AuditLost,
    ];

    /// The name in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Throttle => "throttle",
            Self::ClientAuthentication => "client_authentication",
            Self::TokenIssued => "token_issued",
            Self::TokenRefused => "token_refused",
            Self::RefreshReuse => "refresh_reuse",
            Self::Revocation => "revocation",
            Self::DeviceStarted => "device_started",
            Self::DeviceApproved => "device_approved",
            Self::DeviceDenied => "device_denied",
            Self::SessionStarted => "session_started",
            Self::SessionEnded => "session_ended",
            Self::Consent => "consent",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::UserCreated => "user_created",
            Self::UsersImported => "users_imported",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::UserDeleted => "user_deleted",
            Self::UserPassword => "user_password",
            Self::UserScopes => "user_scopes",
            Self::ClientCreated => "client_created",
            Self::ClientUpdated => "client_updated",
            Self::ClientDisabled => "client_disabled",
            Self::ClientEnabled => "client_enabled",
            Self::ClientDeleted => "client_deleted",
            Self::ClientSecret => "client_secret",
            Self::KeyCreated => "key_created",
            Self::KeyActivated => "key_activated",
            Self::KeyRetired => "key_retired",
            Self::KeyRevoked => "key_revoked",
            Self::KeysReencrypted => "keys_reencrypted",
            Self::ResourceServer => "resource_server",
            Self::InstanceForgotten => "instance_forgotten",
            Self::Restored => "restored",
            Self::ServerStarted => "server_started",
            Self::ServerStopped => "server_stopped",
            Self::AuditLost => "audit_lost",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("the events are {}", all.join(", "))
        })
    }
}

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
