//! The answer of RFC 6749 section 5.1.

use serde::Serialize;
use shared::token::scope::ScopeSet;

/// What a client gets for a grant.
#[derive(Serialize)]
pub(super) struct TokenResponse {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    /// Always said, so that a client sees what it got without comparing.
    pub scope: ScopeSet,
}
