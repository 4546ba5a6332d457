//! The keys that a verifier holds, by `kid`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Jwk, Jwks, KeyError, VerifyingKey, pem};
use crate::token::json::parse_object;

/// A set of verifying keys with distinct `kid`s. The default is the empty set, which verifies nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: HashMap<String, Arc<VerifyingKey>>,
}

impl KeySet {
    /// A set of these keys.
    ///
    /// # Errors
    ///
    /// [`KeyError::Duplicate`] where two have one `kid`.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeyError> {
        let mut set = HashMap::new();
        for key in keys {
            match set.entry(key.kid().to_owned()) {
                Entry::Occupied(taken) => return Err(KeyError::Duplicate(taken.key().clone())),
                Entry::Vacant(free) => free.insert(Arc::new(key)),
            };
        }
        Ok(Self { keys: set })
    }

    /// Reads a JWK Set (RFC 7517 section 5). Keys of a type, curve, algorithm or use that is not ours are left out,
    /// as that section asks; a private member, a weak key or a `kid` that appears twice refuses the whole set.
    ///
    /// # Errors
    ///
    /// Every [`KeyError`] but those of PEM; [`KeyError::Empty`] where no key is left.
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeyError> {
        let mut members =
            parse_object(json).map_err(|_| KeyError::Json("not a JSON object without duplicate members"))?;
        let Some(Value::Array(entries)) = members.remove("keys") else {
            return Err(KeyError::Json("no array `keys`: not a JWK Set"));
        };
        let mut keys = Vec::with_capacity(entries.len());
        let mut seen = Map::new();
        for entry in entries {
            let Value::Object(entry) = entry else { return Err(KeyError::Json("a key is not a JSON object")) };
            // Two keys of one name are refused even where one of them is of no use here.
            if let Some(Value::String(kid)) = entry.get("kid")
                && seen.insert(kid.clone(), Value::Null).is_some()
            {
                return Err(KeyError::Duplicate(kid.clone()));
            }
            match Jwk::try_from(entry) {
                Ok(jwk) => keys.push(VerifyingKey::new(jwk)?),
                Err(KeyError::Unsupported(what)) => {
                    tracing::debug!(key.kind = what, "left a key out that is not for token signatures")
                }
                Err(error) => return Err(error),
            }
        }
        Self::new(keys)?.refuse_empty()
    }

    /// Reads every block of a PEM text; each key's `kid` is its thumbprint.
    ///
    /// # Errors
    ///
    /// As [`VerifyingKey::from_pem`], and [`KeyError::Duplicate`] for a key that stands there twice.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let blocks = pem::blocks(text)?;
        let keys: Result<Vec<_>, _> =
            blocks.iter().map(|block| VerifyingKey::from_params(pem::params(block)?, None)).collect();
        Self::new(keys?)
    }

    fn refuse_empty(self) -> Result<Self, KeyError> {
        if self.is_empty() { Err(KeyError::Empty) } else { Ok(self) }
    }

    /// The set without the keys of these names.
    #[must_use]
    pub fn without(mut self, kids: &HashSet<String>) -> Self {
        self.keys.retain(|kid, _| !kids.contains(kid));
        self
    }

    /// The key of that name.
    pub fn find(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.keys.get(kid)
    }

    /// The names of all keys, sorted.
    pub fn kids(&self) -> Vec<&str> {
        let mut kids: Vec<&str> = self.keys.keys().map(String::as_str).collect();
        kids.sort_unstable();
        kids
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The published form of the whole set.
    pub fn to_jwks(&self) -> Jwks {
        Jwks::new(self.keys.values().map(|key| key.jwk().clone()))
    }
}
