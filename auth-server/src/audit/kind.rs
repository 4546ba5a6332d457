//! What can happen that is recorded.

use std::str::FromStr;

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
