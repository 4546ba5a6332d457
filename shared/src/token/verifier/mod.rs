//! Decides whether a token is good. Everything cheap comes before the signature, and every rule is ours: libraries
//! are lax by default.
//!
//! 1. Size, three segments, canonical base64url (RFC 7515 section 7.1).
//! 2. Header: no duplicate member, no `crit`, no key inside, `typ`, `alg`, `kid` (RFC 8725 sections 3.1, 3.10, 3.11).
//! 3. Claims: required, typed, for us, from our issuer, now (RFC 9068 section 4).
//! 4. Key: known, and of the algorithm that the header names.
//! 5. Signature.
//! 6. Not revoked: neither it nor its login, user, client or key.
//!
//! A verified token is remembered. A hit still asks the clock, whether the key that proved it is still held, and the
//! revoked set.

mod cache;
mod compact;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};

use cache::{TokenCache, Verified};

pub(in crate::token) use compact::{Compact, FEED_LIMIT, Form};

use super::claims::AccessClaims;
use super::json::parse_object;
use super::keys::{KeySet, VerifyingKey};
use super::revocations::{Kind, Revocations};
use crate::metrics;

pub use compact::TOKEN_LIMIT;
pub use refusal::Refusal;

/// How far two clocks may be apart, by default.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// How many verified tokens are remembered, by default.
pub const DEFAULT_CACHE_CAPACITY: u64 = 10_000;

/// Checks access tokens of one issuer for one audience. Never does I/O.
pub struct Verifier {
    issuer: String,
    /// `None`: whatever resource server a token is for.
    audience: Option<String>,
    leeway: i64,
    keys: Arc<ArcSwap<KeySet>>,
    revocations: Revocations,
    cache: TokenCache,
}

impl Verifier {
    /// A verifier with the default leeway and cache. The keys may be replaced under it at any time.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: Arc<ArcSwap<KeySet>>) -> Self {
        Self { audience: Some(audience.into()), ..Self::of_issuer(issuer, keys) }
    }

    /// A verifier for the issuer itself, which takes its own tokens for any resource server (`/userinfo`, for example).
    /// No resource server may use it: a token for another one would be taken.
    pub fn of_issuer(issuer: impl Into<String>, keys: Arc<ArcSwap<KeySet>>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: None,
            leeway: 0,
            keys,
            revocations: Revocations::off(),
            cache: TokenCache::new(DEFAULT_CACHE_CAPACITY),
        }
        .with_leeway(DEFAULT_LEEWAY)
    }

    /// The same with another leeway; whole seconds count.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX);
        self
    }

    /// The same with what is revoked; without it nothing ever is.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = revocations;
        self
    }

    /// What is revoked.
    #[must_use]
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The same with room for another number of tokens; 0 remembers none.
    #[must_use]
    pub fn with_cache_capacity(mut self, tokens: u64) -> Self {
        self.cache = TokenCache::new(tokens);
        self
    }

    /// The claims of a token that is good at `now`. Where they have a [`cnf`](AccessClaims::cnf), the token is worth nothing
    /// without a proof of that key: who asks here and not at a [`Gate`](super::bearer::Gate) has to look.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that names the first rule it breaks.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Arc<AccessClaims>, Refusal> {
        let now = now.timestamp();
        if token.len() > TOKEN_LIMIT {
            return Err(Refusal::TooLong);
        }
        let hash = TokenCache::hash(token);
        if let Some(verified) = self.cache.find(&hash) {
            if self.holds(&verified.key) {
                self.check_times(&verified.claims, now)?;
                self.check_revoked(&verified)?;
                metrics::token_checked("cached");
                return Ok(verified.claims);
            }
            self.cache.remove(&hash);
        }
        let verified = self.prove(token, now)?;
        self.check_revoked(&verified)?;
        let claims = Arc::clone(&verified.claims);
        self.cache.insert(hash, verified);
        metrics::token_checked("verified");
        Ok(claims)
    }

    fn prove(&self, token: &str, now: i64) -> Result<Verified, Refusal> {
        let compact = Compact::parse(token, Form::ACCESS_TOKEN)?;
        let payload = parse_object(&compact.payload).map_err(Refusal::payload)?;
        let claims = AccessClaims::try_from(payload)?;
        self.check_parties(&claims)?;
        self.check_times(&claims, now)?;
        let key = self.find_key(&compact)?;
        compact.prove(&key)?;
        let left = claims.exp.saturating_add(self.leeway).saturating_sub(now);
        let lifetime = Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(LONGEST_MEMORY);
        Ok(Verified { claims: Arc::new(claims), key, lifetime })
    }

    fn check_parties(&self, claims: &AccessClaims) -> Result<(), Refusal> {
        if claims.iss != self.issuer {
            return Err(Refusal::Issuer);
        }
        if self.audience.as_ref().is_some_and(|audience| !claims.aud.contains(audience)) {
            return Err(Refusal::Audience);
        }
        Ok(())
    }

    fn check_times(&self, claims: &AccessClaims, now: i64) -> Result<(), Refusal> {
        if claims.exp <= now.saturating_sub(self.leeway) {
            return Err(Refusal::Expired { seconds: now.saturating_sub(claims.exp) });
        }
        let latest = now.saturating_add(self.leeway);
        if let Some(nbf) = claims.nbf.filter(|nbf| *nbf > latest) {
            return Err(Refusal::NotYetValid { seconds: nbf.saturating_sub(now) });
        }
        if claims.iat > latest {
            return Err(Refusal::IssuedInFuture { seconds: claims.iat.saturating_sub(now) });
        }
        if claims.exp < claims.iat {
            return Err(Refusal::Lifetime);
        }
        Ok(())
    }

    /// A revoked key is gone from the set, or will be in an instant: nobody is to look for it.
    fn find_key(&self, compact: &Compact<'_>) -> Result<Arc<VerifyingKey>, Refusal> {
        if self.revocations.has_key(&compact.kid) {
            return Err(Refusal::Revoked(Kind::Key));
        }
        compact.find_key(&self.keys.load())
    }

    fn check_revoked(&self, verified: &Verified) -> Result<(), Refusal> {
        self.revocations.find(&verified.claims, verified.key.kid()).map_or(Ok(()), |kind| Err(Refusal::Revoked(kind)))
    }

    /// Whether the very key that proved a token is still in the set: a key that was dropped, or replaced under its
    /// name, proves nothing any more.
    fn holds(&self, key: &Arc<VerifyingKey>) -> bool {
        self.keys.load().find(key.kid()).is_some_and(|held| Arc::ptr_eq(held, key) || held == key)
    }
}

/// The cache's clock would overflow on a token that lives for centuries.
const LONGEST_MEMORY: Duration = Duration::from_secs(24 * 3600);
