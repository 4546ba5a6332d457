//! What can be revoked.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::clients::ClientId;

/// How long an entry outlives the last token that it kills: clocks differ, and resource servers have a leeway.
pub const MARGIN: TimeDelta = TimeDelta::seconds(120);

/// No setting and no client lets an access token live longer.
pub const LONGEST_ACCESS_TOKEN: TimeDelta = TimeDelta::seconds(86_400);

/// What is dead, and what of it has to be remembered.
#[derive(Clone, Debug)]
pub enum Revoked {
    /// One access token.
    Token {
        /// Its id.
        jti: String,
        /// When it ends by itself.
        expires_at: DateTime<Utc>,
    },
    /// Everything that came from one login.
    Session {
        /// The login's id.
        sid: Uuid,
        /// The longest life that one of its access tokens was given.
        access_ttl: TimeDelta,
    },
    /// Every token of a user up to a version.
    User {
        /// The user.
        sub: Uuid,
        /// The last dead version.
        version: i64,
    },
    /// Every token of a client up to a version.
    Client {
        /// The client.
        client_id: ClientId,
        /// The last dead version.
        version: i64,
    },
    /// Everything that a key signed.
    Key {
        /// The key.
        kid: String,
    },
}

impl Revoked {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::Session { .. } => "session",
            Self::User { .. } => "user",
            Self::Client { .. } => "client",
            Self::Key { .. } => "key",
        }
    }

    pub(super) fn subject(&self) -> String {
        match self {
            Self::Token { jti, .. } => jti.clone(),
            Self::Session { sid, .. } => sid.to_string(),
            Self::User { sub, .. } => sub.to_string(),
            Self::Client { client_id, .. } => client_id.to_string(),
            Self::Key { kid } => kid.clone(),
        }
    }

    pub(super) const fn version(&self) -> Option<i64> {
        match self {
            Self::User { version, .. } | Self::Client { version, .. } => Some(*version),
            Self::Token { .. } | Self::Session { .. } | Self::Key { .. } => None,
        }
    }

    /// Until when it has to be known.
    pub(super) fn expires_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let last = match self {
            Self::Token { expires_at, .. } => *expires_at,
            Self::Session { access_ttl, .. } => now + *access_ttl,
            Self::User { .. } | Self::Client { .. } | Self::Key { .. } => now + LONGEST_ACCESS_TOKEN,
        };
        last + MARGIN
    }
}

/// One row of the feed, as resource servers read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number.
    pub seq: i64,
    /// `token`, `session`, `user`, `client` or `key`.
    pub kind: String,
    /// `jti`, `sid`, `sub`, `client_id` or `kid`.
    pub subject: String,
    /// The last dead version of a user or client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Until when it has to be known; seconds since 1970 on the wire.
    #[serde(rename = "exp", serialize_with = "as_seconds")]
    pub expires_at: DateTime<Utc>,
}

fn as_seconds<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    at.timestamp().serialize(serializer)
}

/// The feed at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which feed.
    pub feed_id: Uuid,
    /// The highest number that was given.
    pub seq: i64,
    /// What has not expired, by number.
    pub entries: Vec<Entry>,
}

/// By what a token can be revoked.
#[derive(Clone, Copy, Debug)]
pub struct TokenIds<'a> {
    /// `jti`.
    pub jti: &'a str,
    /// `sid`, if it came from a login.
    pub sid: Option<&'a str>,
    /// `sub`.
    pub sub: &'a str,
    /// `ver`.
    pub ver: Option<i64>,
    /// `client_id`.
    pub client_id: &'a str,
    /// `cver`.
    pub cver: Option<i64>,
    /// `kid` of the key that signed it.
    pub kid: &'a str,
}
