//! What a consent is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use crate::clients::ClientId;

/// What one person has allowed one client.
#[derive(Clone, Debug, Serialize)]
pub struct Consent {
    /// Who.
    pub sub: Uuid,
    /// Their address.
    pub email: String,
    /// Whom.
    pub client_id: ClientId,
    /// What.
    pub scope: ScopeSet,
    /// When, at last.
    pub granted_at: DateTime<Utc>,
}
