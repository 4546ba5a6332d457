//! What the protocol room knows of scopes beyond their rows.

use shared::token::scope::ScopeSet;

/// Scopes that speak of a user and mean nothing in a client's own token.
pub(super) const ABOUT_USERS: [&str; 2] = ["profile", "email"];

/// What is left of a scope for a client that asks for itself.
pub(super) fn without_users(scope: &ScopeSet) -> ScopeSet {
    let left = scope.iter().filter(|name| !ABOUT_USERS.contains(name));
    ScopeSet::from_names(left).unwrap_or_default()
}
