//! What a resource server is.

use std::collections::HashMap;
use std::str::FromStr;

use serde::Serialize;
use shared::token::scope::ScopeSet;

/// A service that accepts our tokens.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceServer {
    /// `aud` of tokens for it.
    pub audience: String,
    /// What people call it.
    pub name: String,
    /// The scopes that it knows.
    pub scopes: ScopeSet,
}

/// A scope with the words that people read, written `movies:read=Read movies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewScope {
    /// One scope name (RFC 6749 section 3.3).
    pub scope: String,
    /// What it allows, in plain words.
    pub description: String,
}

impl FromStr for NewScope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it is written NAME=WHAT IT ALLOWS, such as reviews:read=Read reviews";
        let (scope, description) = text.split_once('=').ok_or(FORM)?;
        let is_one_name = scope.parse::<ScopeSet>().is_ok_and(|set| set.len() == 1);
        if !is_one_name || description.trim().is_empty() {
            return Err(FORM);
        }
        Ok(Self { scope: scope.to_owned(), description: description.trim().to_owned() })
    }
}

/// The scopes that tokens for each audience may have, those of users included.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(HashMap<String, ScopeSet>);

impl Catalogue {
    /// The scopes of an audience; `None` for an unknown one.
    #[must_use]
    pub fn scopes_for(&self, audience: &str) -> Option<&ScopeSet> {
        self.0.get(audience)
    }
}

impl FromIterator<(String, ScopeSet)> for Catalogue {
    fn from_iter<I: IntoIterator<Item = (String, ScopeSet)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}
