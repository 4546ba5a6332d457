//! What the protocol room knows of scopes beyond their rows.

use shared::token::scope::ScopeSet;

use crate::state::AppState;
use crate::users::User;

/// Asks for an `id_token` and opens `/userinfo` (OpenID Connect core section 3.1.2.1).
pub(crate) const OPENID: &str = "openid";

/// Scopes that speak of a user and mean nothing in a client's own token.
pub(super) const ABOUT_USERS: [&str; 3] = [OPENID, "profile", "email"];

/// What is left of a scope for a client that asks for itself.
pub(super) fn without_users(scope: &ScopeSet) -> ScopeSet {
    let left = scope.iter().filter(|name| !ABOUT_USERS.contains(name));
    ScopeSet::from_names(left).unwrap_or_default()
}

/// What of a scope a user can give. `openid` allows nothing but to know that it is them, which everybody can give.
pub(crate) fn of_user(state: &AppState, user: &User, asked: &ScopeSet) -> ScopeSet {
    let theirs = state.users.scopes_of(user);
    let left = asked.iter().filter(|name| *name == OPENID || theirs.contains(name));
    ScopeSet::from_names(left).unwrap_or_default()
}
