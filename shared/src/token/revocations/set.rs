//! The revoked set itself: never changed in place, so that reading it takes no lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Entry, Kind};
use crate::token::claims::AccessClaims;

/// Names are shared, so that the next set costs a count for each and no copy.
type Names = HashMap<Arc<str>, Dead>;

/// All that is revoked.
#[derive(Clone, Default)]
pub(super) struct RevokedSet {
    tokens: Names,
    sessions: Names,
    users: Names,
    clients: Names,
    keys: Names,
    /// When the first entry is over.
    first_end: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy)]
struct Dead {
    /// The newest version that is dead; of no meaning where there are no versions.
    version: i64,
    ends: DateTime<Utc>,
}

impl RevokedSet {
    /// This set and `entries`, without what is over at `now`.
    pub(super) fn with(mut self, entries: Vec<Entry>, now: DateTime<Utc>) -> Self {
        for entry in entries {
            let dead = Dead { version: entry.version.unwrap_or(i64::MAX), ends: entry.expires_at };
            self.names(entry.kind)
                .entry(entry.subject.into())
                // Versions and ends grow together; where they do not, the wider refusal is the safe one.
                .and_modify(|held| {
                    *held = Dead { version: held.version.max(dead.version), ends: held.ends.max(dead.ends) };
                })
                .or_insert(dead);
        }
        let mut first_end = None;
        for kind in Kind::ALL {
            self.names(kind).retain(|_, dead| {
                let stays = dead.ends > now;
                if stays && first_end.is_none_or(|first| dead.ends < first) {
                    first_end = Some(dead.ends);
                }
                stays
            });
        }
        Self { first_end, ..self }
    }

    pub(super) fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.first_end.is_some_and(|end| end <= now)
    }

    pub(super) fn find(&self, claims: &AccessClaims, kid: &str) -> Option<Kind> {
        if self.tokens.contains_key(claims.jti.as_str()) {
            return Some(Kind::Token);
        }
        if claims.sid.as_deref().is_some_and(|sid| self.sessions.contains_key(sid)) {
            return Some(Kind::Session);
        }
        if is_dead(&self.users, &claims.sub, claims.ver) {
            return Some(Kind::User);
        }
        if is_dead(&self.clients, &claims.client_id, claims.cver) {
            return Some(Kind::Client);
        }
        self.has_key(kid).then_some(Kind::Key)
    }

    pub(super) fn has_key(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    pub(super) fn keys(&self) -> HashSet<String> {
        self.keys.keys().map(|kid| kid.to_string()).collect()
    }

    pub(super) fn len(&self) -> usize {
        [&self.tokens, &self.sessions, &self.users, &self.clients, &self.keys].map(HashMap::len).iter().sum()
    }

    fn names(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Token => &mut self.tokens,
            Kind::Session => &mut self.sessions,
            Kind::User => &mut self.users,
            Kind::Client => &mut self.clients,
            Kind::Key => &mut self.keys,
        }
    }
}

/// A token without a version cannot show that it is newer.
fn is_dead(names: &Names, name: &str, version: Option<i64>) -> bool {
    names.get(name).is_some_and(|dead| version.is_none_or(|version| version <= dead.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn user(version: i64, ends: i64) -> Entry {
        let expires_at = at(ends);
        Entry { seq: 1, kind: Kind::User, subject: "ann".to_owned(), version: Some(version), expires_at }
    }

    #[test]
    fn the_newest_dead_version_counts_until_the_last_end() {
        let set = RevokedSet::default().with(vec![user(3, 100), user(5, 90), user(4, 80)], at(0));
        assert_eq!(set.len(), 1);
        for (version, is_refused) in [(Some(1), true), (Some(5), true), (Some(6), false), (None, true)] {
            assert_eq!(is_dead(&set.users, "ann", version), is_refused, "{version:?}");
        }
        assert!(!is_dead(&set.users, "ben", Some(1)));
        assert!(!set.has_expired(at(99)) && set.has_expired(at(100)));
        assert_eq!(set.with(Vec::new(), at(100)).len(), 0);
    }
}
