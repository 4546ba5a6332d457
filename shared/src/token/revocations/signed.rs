//! The feed behind a URL, for services that share no database: a JWS (`typ` revocations+jwt) by the issuer's own keys.
//!
//! Each answer is proven by itself: signed by a key that is held, by the issuer, and just now, so that whoever is on the
//! path can hold it back (it becomes stale) and cannot replay an older one for longer than that.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::{Entry, FeedError, Kind, Position, Revocations, STALE_AFTER};
use crate::token::json::parse_object;
use crate::token::source::{Fetcher, Keys, KeysOptions, SourceError};
use crate::token::verifier::{Compact, DEFAULT_LEEWAY, FEED_LIMIT, Form, Refusal};

/// A feed behind a URL.
pub struct SignedFeed {
    fetcher: Fetcher,
    issuer: String,
    keys: Keys,
    /// The last reading was good, so that the next may go on from there.
    goes_on: bool,
}

/// The payload.
#[derive(Deserialize)]
struct Document {
    iss: String,
    /// When it was signed; seconds since 1970.
    iat: i64,
    feed_id: Uuid,
    /// How far it reaches.
    seq: i64,
    /// Whether it has all unexpired entries, and not only those after the number that was asked for.
    complete: bool,
    entries: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    seq: i64,
    kind: String,
    subject: String,
    #[serde(default)]
    version: Option<i64>,
    /// When the last token that it kills has ended; seconds since 1970.
    exp: i64,
}

impl SignedFeed {
    /// The feed of `issuer` at `url`, signed by one of `keys`. Time, redirects and plain `http` are bounded by `options` as
    /// they are for keys.
    ///
    /// # Errors
    ///
    /// [`SourceError::Url`] and [`SourceError::Client`].
    pub fn new(url: Url, issuer: &str, keys: Keys, options: &KeysOptions) -> Result<Self, SourceError> {
        Ok(Self { fetcher: Fetcher::new(url, options)?, issuer: issuer.to_owned(), keys, goes_on: false })
    }

    /// Reads on into `revocations`; everything, where the last reading failed.
    ///
    /// # Errors
    ///
    /// [`FeedError`] for an answer that is not the issuer's of now; nothing has changed then.
    pub async fn read(&mut self, revocations: &Revocations) -> Result<(), FeedError> {
        let read = self.read_on(revocations).await;
        self.goes_on = read.is_ok();
        read
    }

    async fn read_on(&self, revocations: &Revocations) -> Result<(), FeedError> {
        let held = revocations.position();
        if self.goes_on {
            let document = self.fetch(held.seq, revocations).await?;
            let follows = held.feed_id == Some(document.feed_id) && document.seq >= held.seq;
            if follows || document.complete {
                return document.apply(revocations);
            }
        }
        let document = self.fetch(0, revocations).await?;
        if !document.complete {
            return Err(FeedError::Answer("it lacks entries, although all were asked for"));
        }
        document.apply(revocations)
    }

    async fn fetch(&self, since: i64, revocations: &Revocations) -> Result<Document, FeedError> {
        let body = self.fetcher.fetch_since(since, FEED_LIMIT).await?;
        let text = std::str::from_utf8(&body).map_err(|_| FeedError::Answer("it is not text"))?;
        let compact = Compact::parse(text.trim_end(), Form::REVOCATIONS).map_err(not_signed)?;
        let mut key = compact.find_key(&self.keys.set().load());
        if matches!(key, Err(Refusal::KeyUnknown { .. })) && self.keys.seek(&compact.kid).await {
            key = compact.find_key(&self.keys.set().load());
        }
        compact.prove(&*key.map_err(not_signed)?).map_err(not_signed)?;
        let members = parse_object(&compact.payload).map_err(|_| FeedError::Answer("its payload is not one object"))?;
        let document: Document = serde_json::from_value(Value::Object(members))
            .map_err(|_| FeedError::Answer("a member of its payload is missing or of another type"))?;
        if document.iss != self.issuer {
            return Err(FeedError::Answer("another issuer signed it"));
        }
        let age = revocations.now().timestamp().saturating_sub(document.iat);
        let (oldest, leeway) = (seconds(STALE_AFTER), seconds(DEFAULT_LEEWAY));
        if !(-leeway..=oldest).contains(&age) {
            return Err(FeedError::Answer("it was not signed just now, by this clock"));
        }
        Ok(document)
    }
}

impl Document {
    fn apply(self, revocations: &Revocations) -> Result<(), FeedError> {
        let position = Position { feed_id: Some(self.feed_id), seq: self.seq };
        let entries = self.entries.into_iter().map(Entry::try_from).collect::<Result<Vec<_>, _>>()?;
        // Another replica of the issuer may be an instant behind: what was revoked already stays so.
        let held = revocations.position();
        let is_behind = held.feed_id == Some(self.feed_id) && self.seq < held.seq;
        if self.complete && !is_behind {
            revocations.replace(entries, position);
        } else {
            revocations.add(entries, position);
        }
        Ok(())
    }
}

impl TryFrom<Item> for Entry {
    type Error = FeedError;

    fn try_from(item: Item) -> Result<Self, FeedError> {
        let kind = Kind::find(&item.kind).ok_or(FeedError::Unknown(item.seq))?;
        let expires_at = DateTime::from_timestamp(item.exp, 0).ok_or(FeedError::Answer("an end is out of range"))?;
        Ok(Self { seq: item.seq, kind, subject: item.subject, version: item.version, expires_at })
    }
}

fn not_signed(refusal: Refusal) -> FeedError {
    FeedError::Answer(match refusal {
        Refusal::KeyUnknown { .. } => "no key that is held signed it",
        Refusal::Type => "its typ is not revocations+jwt",
        Refusal::TooLong => "it is too long",
        _ => "it is not signed as it should be",
    })
}

fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
