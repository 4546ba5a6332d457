//! Refusals in the audit log.

use super::TokenError;
use crate::audit::{self, Event, Kind, Outcome};
use crate::tokens::RefreshError;

/// Requests that are malformed are nobody's, failures of our own nobody's fault, and a
/// flood that is being slowed down is recorded once, where that begins.
pub(super) fn record(refused: &TokenError, error: &str) {
    let kind = match (error, refused) {
        ("invalid_client", _) => Kind::ClientAuthentication,
        // A refused login is recorded where logins are checked, for pages too.
        (_, TokenError::User(_)) => return,
        ("invalid_grant", TokenError::Refresh(RefreshError::Reused { .. })) => Kind::RefreshReuse,
        ("invalid_dpop_proof" | "invalid_grant" | "unauthorized_client" | "invalid_scope" | "invalid_target", _) => {
            Kind::TokenRefused
        }
        _ => return,
    };
    audit::note(Event::not_ok(kind, Outcome::Refused, refused));
}
