//! What was revoked, in memory: asked at every request, whatever the cache of verified tokens says.
//!
//! 1. Whoever revokes writes a row into the feed (`myapi.revocations`) as the last statement of a transaction, under one
//!    lock, so that the order of numbers is the order of commits and a number that is missing will never come.
//! 2. [`Revocations::follow`] reads the feed: all unexpired entries at its start, after each new connection, when the feed
//!    is another one, and when its numbers have gone back; else what is new, every half second and at every hint. The feed
//!    is the database ([`Feed::Database`]), or for services that share none a URL that answers a signed copy of it
//!    ([`Feed::Url`]).
//! 3. [`Revocations::find`] says what a token falls under: its own id, its login, its user, its client, or its key.
//! 4. When the feed could not be read for [`STALE_AFTER`], [`Revocations::freshness`] says so, and each route's
//!    [`WhenStale`](super::bearer::WhenStale) decides.
//!
//! Users and clients are revoked by version (`ver`, `cver`), never by time: a time would miss a token that is minted
//! meanwhile, and would refuse whoever logs in again within the same second.
//!
//! ```no_run
//! use shared::clock::Clock;
//! use shared::token::revocations::{Feed, Revocations, SignedFeed};
//! use shared::token::source::{Keys, KeysOptions};
//! use shared::token::verifier::Verifier;
//!
//! fn follow(verifier: Verifier, keys: Keys) -> Result<Verifier, Box<dyn std::error::Error>> {
//!     let revocations = Revocations::new(Clock::system());
//!     let url = "http://127.0.0.1:8001/revocations".parse()?;
//!     let feed = SignedFeed::new(url, "http://127.0.0.1:8001", keys.clone(), &KeysOptions::default())?;
//!     tokio::spawn(revocations.clone().follow(Feed::Url(feed), keys, || ()));
//!     Ok(verifier.with_revocations(revocations))
//! }
//! ```

mod database;
mod follow;
mod set;
mod signed;
mod store;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use uuid::Uuid;

use super::claims::AccessClaims;
use crate::clock::Clock;
use crate::db::DbError;
use set::RevokedSet;

pub use follow::Feed;
pub use signed::SignedFeed;

/// How long the feed may go unread before it counts as stale.
pub const STALE_AFTER: Duration = Duration::from_secs(60);

/// How often the feed is read where no hint comes.
pub const POLL: Duration = Duration::from_millis(500);

/// What can be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One token, by its `jti`.
    Token,
    /// All tokens of a login, by its `sid`.
    Session,
    /// The tokens of a user up to a version, by `sub` and `ver`.
    User,
    /// The tokens of a client up to a version, by `client_id` and `cver`.
    Client,
    /// All tokens that a key signed, by its `kid`.
    Key,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Token, Self::Session, Self::User, Self::Client, Self::Key];

    /// The name in the feed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::User => "user",
            Self::Client => "client",
            Self::Key => "key",
        }
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: i64,
    /// What is revoked.
    pub kind: Kind,
    /// Whose: `jti`, `sid`, `sub`, `client_id` or `kid`.
    pub subject: String,
    /// For users and clients: tokens of this version and of older ones are dead.
    pub version: Option<i64>,
    /// When the last token that it kills has ended.
    pub expires_at: DateTime<Utc>,
}

/// How current the revoked set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// No feed is followed: nothing is ever revoked here.
    Off,
    /// The feed was read this long ago.
    Fresh(Duration),
    /// The feed was not read for [`STALE_AFTER`], or (`None`) not at all yet.
    Stale(Option<Duration>),
}

/// Why the feed could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The database took too long.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// An entry that cannot be understood: to leave it out would be to let through what it revokes.
    #[error("entry {0} of myapi.revocations is of a kind that this version does not know: update it")]
    Unknown(i64),
    /// The URL.
    #[error(transparent)]
    Fetch(#[from] super::source::SourceError),
    /// The answer is not what the issuer signed for now.
    #[error("the answer is refused: {0}")]
    Answer(&'static str),
}

/// A handle on the revoked set; clones share it.
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

struct Inner {
    set: ArcSwap<RevokedSet>,
    clock: Clock,
    is_off: bool,
    /// Microseconds since 1970; [`NEVER`] before the first good read.
    read_at: AtomicI64,
    position: watch::Sender<Position>,
}

const NEVER: i64 = i64::MIN;

/// How far the feed was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Which feed; `None` before the first good read.
    pub feed_id: Option<Uuid>,
    /// The number of the last entry that was read.
    pub seq: i64,
}

impl Revocations {
    /// For a service that follows no feed.
    #[must_use]
    pub fn off() -> Self {
        Self::with(Clock::system(), true)
    }

    /// An empty set that is stale until [`Revocations::follow`] has read its feed.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with(clock, false)
    }

    fn with(clock: Clock, is_off: bool) -> Self {
        Self(Arc::new(Inner {
            set: ArcSwap::default(),
            clock,
            is_off,
            read_at: AtomicI64::new(NEVER),
            position: watch::Sender::default(),
        }))
    }

    /// What of the token is revoked, if anything; `kid` names the key that proved it.
    #[must_use]
    pub fn find(&self, claims: &AccessClaims, kid: &str) -> Option<Kind> {
        self.0.set.load().find(claims, kid)
    }

    /// Whether the key of that name is revoked.
    #[must_use]
    pub fn has_key(&self, kid: &str) -> bool {
        self.0.set.load().has_key(kid)
    }

    /// The names of all revoked keys.
    #[must_use]
    pub fn keys(&self) -> HashSet<String> {
        self.0.set.load().keys()
    }

    /// How current the set is.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        if self.0.is_off {
            return Freshness::Off;
        }
        let read_at = self.0.read_at.load(Ordering::Acquire);
        let Some(read_at) = DateTime::from_timestamp_micros(read_at).filter(|_| read_at != NEVER) else {
            return Freshness::Stale(None);
        };
        // A clock that went back makes a fresh set, not a stale one.
        let age = (self.0.clock.now() - read_at).to_std().unwrap_or_default();
        if age > STALE_AFTER { Freshness::Stale(Some(age)) } else { Freshness::Fresh(age) }
    }

    /// How far the feed was read.
    #[must_use]
    pub fn position(&self) -> Position {
        *self.0.position.borrow()
    }

    /// Tells of every step forward, for whoever waits for one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.0.position.subscribe()
    }

    /// How many entries are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.set.load().len()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts these unexpired entries, the whole feed, in the place of all that are held.
    pub fn replace(&self, entries: Vec<Entry>, position: Position) {
        self.0.set.store(Arc::new(RevokedSet::default().with(entries, self.0.clock.now())));
        self.was_read(position);
    }

    /// Adds these entries, which may be none, and drops those that have expired.
    pub fn add(&self, entries: Vec<Entry>, position: Position) {
        let now = self.0.clock.now();
        let held = self.0.set.load();
        if !entries.is_empty() || held.has_expired(now) {
            self.0.set.store(Arc::new(RevokedSet::clone(&held).with(entries, now)));
        }
        self.was_read(position);
    }

    fn was_read(&self, position: Position) {
        self.0.read_at.store(self.0.clock.now().timestamp_micros(), Ordering::Release);
        self.0.position.send_if_modified(|held| std::mem::replace(held, position) != position);
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }
}
