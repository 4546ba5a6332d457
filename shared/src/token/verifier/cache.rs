//! Remembers tokens that were verified, so that the next request with the same token costs a hash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::token::claims::AccessClaims;
use crate::token::keys::VerifyingKey;

/// A token's SHA-256: the cache never holds something that could be presented.
pub(super) type TokenHash = [u8; 32];

/// What was proven once, and under which key.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) claims: Arc<AccessClaims>,
    pub(super) key: Arc<VerifyingKey>,
    /// How long after its verification the token can still be good.
    pub(super) lifetime: Duration,
}

/// A bounded map of verified tokens. Refused ones are never kept: they are cheap to make.
pub(super) struct TokenCache(Cache<TokenHash, Verified>);

impl TokenCache {
    pub(super) fn new(capacity: u64) -> Self {
        Self(Cache::builder().max_capacity(capacity).expire_after(UntilTokenEnds).build())
    }

    pub(super) fn hash(token: &str) -> TokenHash {
        Sha256::digest(token).into()
    }

    pub(super) fn find(&self, hash: &TokenHash) -> Option<Verified> {
        self.0.get(hash)
    }

    pub(super) fn insert(&self, hash: TokenHash, verified: Verified) {
        self.0.insert(hash, verified);
    }

    pub(super) fn remove(&self, hash: &TokenHash) {
        self.0.invalidate(hash);
    }
}

/// Frees the memory of tokens that have ended. It decides nothing: times are checked at every hit.
struct UntilTokenEnds;

impl Expiry<TokenHash, Verified> for UntilTokenEnds {
    fn expire_after_create(&self, _: &TokenHash, verified: &Verified, _: Instant) -> Option<Duration> {
        Some(verified.lifetime)
    }
}
