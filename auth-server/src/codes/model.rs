//! What an authorization code is.

use chrono::{DateTime, Utc};
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use crate::clients::ClientId;
use crate::opaque::{Kind, Opaque};

/// The kind of [`Code`].
#[derive(Debug)]
pub enum AuthorizationCode {}

impl Kind for AuthorizationCode {
    const NAME: &'static str = "authorization code";
    const PREFIX: &'static str = "mac1_";
}

/// A code, as it stands in the redirect, once.
pub type Code = Opaque<AuthorizationCode>;

/// What a code stands for.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// Who may redeem it.
    pub client_id: ClientId,
    /// Who allowed it.
    pub sub: Uuid,
    /// The user's version then.
    pub user_version: i64,
    /// The browser session in which that was.
    pub session_id: Uuid,
    /// Where the browser carries it, byte for byte as in the request.
    pub redirect_uri: String,
    /// What its tokens are for when nobody names another resource server; `None` is what the client's are for.
    pub audience: Option<String>,
    /// What was allowed.
    pub scope: ScopeSet,
    /// For the `id_token`, from the client.
    pub nonce: Option<String>,
    /// The S256 challenge (RFC 7636 section 4.2).
    pub code_challenge: String,
    /// The key whose holder alone may redeem it, where the request named one (RFC 9449 section 10).
    pub dpop_jkt: Option<Thumbprint>,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
}

/// A code as it stands in its row.
#[derive(Clone, Debug)]
pub struct StoredCode {
    /// What it stands for.
    pub given_for: NewCode,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Redemptions with a wrong verifier.
    pub failures: i16,
    /// When it was redeemed.
    pub consumed_at: Option<DateTime<Utc>>,
}
