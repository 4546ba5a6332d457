//! What a token is for, and what of a grant it carries (RFC 8707).
//!
//! 1. A request may name one resource server by `resource`. One token has one audience, so it names one at most, and only
//!    one that its client is registered for; else `invalid_target`.
//! 2. Scopes belong to resource servers. A token carries those of a grant that its resource server knows, and those that
//!    speak of the user.
//! 3. Where the request that begins a grant names a resource server, the grant holds nothing else. Where it names none,
//!    the grant holds all that was asked for, and a later request chooses among it; what it chooses is that token's alone.

use shared::db::DbError;
use shared::token::scope::ScopeSet;

use super::scope::ABOUT_USERS;
use crate::clients::Client;
use crate::resource_servers::Catalogue;
use crate::state::AppState;

/// Why a request's target is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// Unknown, not one for this client, or not one of the grant's.
    #[error("the resource is unknown, not one for the client, or none that the grant is for")]
    Refused,
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What a grant holds when it begins, or a token carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// The resource server of a token when nobody names another.
    pub audience: String,
    /// Its scope.
    pub scope: ScopeSet,
}

/// The resource servers of one client, and the one that its request names.
pub(crate) struct Targets<'a> {
    client: &'a Client,
    named: Option<String>,
    /// `None` for a client of one resource server: all its scopes are that one's.
    catalogue: Option<Catalogue>,
}

impl<'a> Targets<'a> {
    /// Of a request of `client` that names these; two names of one resource server are one. One query, and none for a
    /// client of one resource server.
    ///
    /// # Errors
    /// [`TargetError`].
    pub(crate) async fn read(
        state: &AppState,
        client: &'a Client,
        named: &[Option<&str>],
    ) -> Result<Self, TargetError> {
        let mut named = named.iter().flatten();
        let first = named.next().map(|named| (*named).to_owned());
        let is_one = named.all(|other| Some(*other) == first.as_deref());
        if !is_one || first.as_ref().is_some_and(|audience| !client.may_target(audience)) {
            return Err(TargetError::Refused);
        }
        let catalogue = match client.audiences.is_empty() {
            true => None,
            // Boxed: few clients need it.
            false => Some(Box::pin(state.resource_servers.catalogue()).await?),
        };
        Ok(Self { client, named: first, catalogue })
    }

    /// What a grant holds that begins with this request and was allowed `scope`.
    pub(crate) fn begin(&self, scope: &ScopeSet) -> Granted {
        match &self.named {
            Some(named) => Granted { audience: named.clone(), scope: self.known_to(named, scope) },
            None => Granted { audience: self.client.audience.clone(), scope: scope.clone() },
        }
    }

    /// What a token of this request carries, of a grant that holds `scope` and is for `audience` unless another is named.
    ///
    /// # Errors
    /// [`TargetError::Refused`] where the named one is not the grant's and has nothing of its scope.
    pub(crate) fn token(&self, audience: &str, scope: &ScopeSet) -> Result<Granted, TargetError> {
        // A client that was given another audience since has left the old one.
        let usual = if self.client.may_target(audience) { audience } else { &self.client.audience };
        let target = self.named.as_deref().unwrap_or(usual);
        let carried = self.known_to(target, scope);
        let has_own = carried.iter().any(|name| !ABOUT_USERS.contains(&name));
        if target != usual && !has_own {
            return Err(TargetError::Refused);
        }
        Ok(Granted { audience: target.to_owned(), scope: carried })
    }

    fn known_to(&self, audience: &str, scope: &ScopeSet) -> ScopeSet {
        match &self.catalogue {
            None => scope.clone(),
            Some(catalogue) => {
                catalogue.scopes_for(audience).map_or_else(ScopeSet::default, |known| scope.intersection(known))
            }
        }
    }
}
