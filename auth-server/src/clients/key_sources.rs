//! Keys that clients keep at an address of their own (`jwks_uri`), within the bounds of every key source here: size, time,
//! no redirects, one read at a time, one read per cooldown for unknown keys.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use shared::token::keys::KeySet;
use shared::token::source::{KeySource, Keys, KeysOptions};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::authentication::JwksUri;

/// Addresses that are kept; one more pushes out the one that was used least.
const MOST: u64 = 1_000;

/// How old a set may be before it is read again, where the address answers.
const FRESH: Duration = Duration::from_secs(300);

/// How old a set may be where the address does not answer. A key that was taken back lives this long at most.
const STALE: Duration = Duration::from_hours(1);

/// How long a request waits for a set that is old, which is good enough until then; the read goes on without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two reads of an address, whatever asks for them.
const COOLDOWN: Duration = Duration::from_secs(10);

/// The keys of the clients that have an address for them. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct KeySources(Cache<String, Arc<Source>>);

struct Source {
    keys: Keys,
    set: Arc<ArcSwap<KeySet>>,
    /// When it was read last, whether that went well or not.
    tried_at: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("keys", &self.set.load().kids()).finish_non_exhaustive()
    }
}

impl KeySources {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    /// The keys at an address, read again where they are old or `kid` is not among them.
    ///
    /// # Errors
    /// Why there are none; for the log.
    pub(super) async fn keys(&self, uri: &JwksUri, kid: Option<&str>) -> Result<Arc<KeySet>, String> {
        let source = self.source(uri)?;
        source.refresh().await;
        if let Some(kid) = kid {
            source.keys.seek(kid).await;
        }
        match source.keys.age() {
            Some(age) if age < STALE => Ok(source.set.load_full()),
            _ => Err(source.keys.reason().unwrap_or_else(|| "they are too old".to_owned())),
        }
    }

    fn source(&self, uri: &JwksUri) -> Result<Arc<Source>, String> {
        let address = uri.to_string();
        if let Some(source) = self.0.get(&address) {
            return Ok(source);
        }
        let options = KeysOptions { cooldown: COOLDOWN, ..KeysOptions::default() };
        let keys = Keys::new(KeySource::JwksUrl(uri.url().clone()), options).map_err(|error| error.to_string())?;
        let source = Arc::new(Source { set: keys.set(), keys, tried_at: Mutex::new(None) });
        // Two at once make two, of which one stays.
        Ok(self.0.get_with(address, || source))
    }
}

impl Source {
    /// Reads a set that is old or not there; who comes meanwhile waits for the same read.
    async fn refresh(&self) {
        let is_fresh = || self.keys.age().is_some_and(|age| age < FRESH);
        if is_fresh() {
            return;
        }
        let mut tried_at = self.tried_at.lock().await;
        if is_fresh() || tried_at.is_some_and(|at| at.elapsed() < COOLDOWN) {
            return;
        }
        *tried_at = Some(Instant::now());
        // Of a URL it never fails: what went wrong stands in the reason.
        if self.keys.age().is_some() {
            let _ = timeout(PATIENCE, self.keys.load()).await;
        } else if let Err(error) = self.keys.load().await {
            tracing::debug!(%error, "a client's keys were not read");
        }
    }
}
