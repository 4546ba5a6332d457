//! Which proofs this process has seen.

use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::{LEEWAY, MAX_AGE, Proof, ProofRefusal};

/// How many proofs are remembered, by default: some 2,000 a second for as long as a proof is good.
pub const DEFAULT_REPLAY_CAPACITY: u64 = 250_000;

/// A bounded memory of proofs that were taken. Only what passed every other check is kept, so that nobody without a good
/// token fills it. Where more come than it holds, the oldest are forgotten first: the window in which a replay is seen
/// gets shorter, and no request is refused for it.
#[derive(Clone, Debug)]
pub struct Replays(Cache<[u8; 32], ()>);

impl Replays {
    /// Room for so many proofs.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let window = MAX_AGE + LEEWAY + Duration::from_secs(1);
        let cache = Cache::builder().max_capacity(capacity).time_to_live(window);
        // Least recently used, because the default policy may refuse to keep what is new.
        Self(cache.eviction_policy(EvictionPolicy::lru()).build())
    }

    /// Takes a proof that is good in every other way.
    ///
    /// # Errors
    ///
    /// [`ProofRefusal::Replayed`] for every caller but the first.
    pub fn take(&self, proof: &Proof) -> Result<(), ProofRefusal> {
        if self.0.entry(proof.id()).or_insert(()).is_fresh() { Ok(()) } else { Err(ProofRefusal::Replayed) }
    }
}

impl Default for Replays {
    fn default() -> Self {
        Self::new(DEFAULT_REPLAY_CAPACITY)
    }
}
