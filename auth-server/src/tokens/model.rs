//! What a refresh token and its family are.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use crate::clients::{Client, ClientId};
use crate::opaque::{Kind, Opaque};
use crate::users::User;

/// How long refresh tokens live where a client does not say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct RefreshSettings {
    /// Of a token that is not used.
    pub idle: Duration,
    /// Of a family, however often it is used; no client may have a longer one.
    pub absolute: Duration,
    /// In which a spent token answers its successor again; zero turns that off.
    pub retry_window: Duration,
}

impl RefreshSettings {
    /// The same as one client has them.
    #[must_use]
    pub fn of(self, client: &Client) -> Self {
        let lifetimes = client.lifetimes;
        let absolute = lifetimes.refresh_absolute.unwrap_or(self.absolute).min(self.absolute);
        Self {
            idle: lifetimes.refresh_idle.unwrap_or(self.idle).min(absolute),
            absolute,
            retry_window: lifetimes.retry_window.unwrap_or(self.retry_window),
        }
    }
}

/// The kind of [`RefreshToken`].
#[derive(Debug)]
pub enum Refresh {}

impl Kind for Refresh {
    const NAME: &'static str = "refresh token";
    const PREFIX: &'static str = "mrt1_";
}

/// A refresh token, given to the client once, or again inside the retry window.
pub type RefreshToken = Opaque<Refresh>;

/// What a family is made of.
pub struct NewFamily<'a> {
    /// Who logged in.
    pub user: &'a User,
    /// For whom.
    pub client: &'a Client,
    /// What was granted.
    pub scope: &'a ScopeSet,
    /// The resource server of a token when nobody names another.
    pub audience: &'a str,
    /// The browser session that it came from, where there was one: it ends with it.
    pub session_id: Option<Uuid>,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// Life of the access token that is given out with it.
    pub access_ttl: Duration,
    /// The key that the access token is bound to; a public client's refresh tokens are bound to it as well.
    pub key: Option<&'a Thumbprint>,
}

/// What came from one login of one client.
#[derive(Clone, Debug)]
pub struct Family {
    /// The `sid` of its tokens.
    pub family_id: Uuid,
    /// Whose it is.
    pub sub: Uuid,
    /// For whom.
    pub client_id: ClientId,
    /// What was granted; a refresh may ask for less, and the next one has it all again.
    pub scope: ScopeSet,
    /// The resource server of a token when nobody names another.
    pub audience: String,
    /// The user's version at the login.
    pub user_version: i64,
    /// The client's version at the login.
    pub client_version: i64,
    /// The browser session that it came from.
    pub session_id: Option<Uuid>,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// The longest life that one of its access tokens was given.
    pub access_ttl: Duration,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends, however often it is used.
    pub expires_at: DateTime<Utc>,
    /// The key whose holder alone may refresh.
    pub dpop_jkt: Option<Thumbprint>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}
