//! Sets of scope names (RFC 6749 section 3.3).

use std::collections::BTreeSet;
use std::collections::btree_set;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of scope names. Prints sorted and space-separated, so equal sets are equal strings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeSet(BTreeSet<String>);

/// A string that is not a scope by the grammar of RFC 6749 section 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is names of printable ASCII without quotes or backslashes, separated by single spaces")]
pub struct ScopeError;

impl ScopeSet {
    /// A set of the given names; each must be a `scope-token` by itself.
    ///
    /// # Errors
    ///
    /// [`ScopeError`] where a name is empty or has a character outside the grammar.
    pub fn from_names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Self, ScopeError> {
        let mut set = BTreeSet::new();
        for name in names {
            let name = name.into();
            if !is_scope_token(&name) {
                return Err(ScopeError);
            }
            set.insert(name);
        }
        Ok(Self(set))
    }

    /// Whether this very name is in the set; no prefix or wildcard has a meaning.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Whether the set has no name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every name here is in `other`, too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The names that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl IntoIterator for ScopeSet {
    type Item = String;
    type IntoIter = btree_set::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`, RFC 6749 section 3.3.
fn is_scope_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

impl FromStr for ScopeSet {
    type Err = ScopeError;

    /// Parses the wire form. The empty string is the empty set: whoever reads a request decides whether that is
    /// allowed there.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::from_names(text.split(' '))
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{ScopeError, ScopeSet};

    #[test]
    fn renders_sorted_without_repeats() {
        let set: ScopeSet = "movies:read email movies:read".parse().unwrap();
        assert_eq!(set.to_string(), "email movies:read");
        assert!(set.contains("email") && !set.contains("movies"));
        assert_eq!("".parse::<ScopeSet>().unwrap().len(), 0);
    }

    #[test]
    fn refuses_what_the_grammar_refuses() {
        for text in [" ", " a", "a ", "a  b", "a\tb", "a\"b", "a\\b", "caf\u{e9}", "a\nb", "a\0"] {
            assert_eq!(text.parse::<ScopeSet>(), Err(ScopeError), "{text:?}");
        }
        assert!(ScopeSet::from_names(["a b"]).is_err());
    }
}
