//! The keys in use: opened once, read at every token, exchanged when the table changes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Serialize;
use shared::clock::Clock;
use shared::db::{self, Pool};
use shared::token::keys::{Algorithm, KeySet, VerifyingKey};
use shared::token::source::Keys;
use tokio::task::JoinHandle;

use super::error::KeysError;
use super::jwks::JwksDocument;
use super::kek::KekRing;
use super::material::PrivateKey;
use super::model::{KeyState, StoredKey};
use super::rotate::{self, Gate, Rotation, Schedule, Waiting};
use super::signer::Signer;
use super::{seal, store};
use crate::audit::Trail;

/// Between two steps of the schedule.
const BETWEEN_STEPS: Duration = Duration::from_secs(60);
/// How long such a step may take, and a reading of the table: a connection whose other end is gone never answers.
const STEP_PATIENCE: Duration = Duration::from_secs(60);
const RELOAD_PATIENCE: Duration = Duration::from_secs(10);

/// The signing keys of a running server. Cheap to clone; all clones see an exchange at once.
#[derive(Clone)]
pub struct SigningKeys {
    pool: Pool,
    keks: KekRing,
    ring: Arc<ArcSwap<Ring>>,
    verifying: Keys,
}

/// One consistent reading of the table.
struct Ring {
    signer: Signer,
    active_kid: String,
    active: VerifyingKey,
    algorithms: Vec<Algorithm>,
    jwks: Arc<JwksDocument>,
    verifying: KeySet,
}

impl SigningKeys {
    /// Reads and opens the keys. Never makes one (fault F24).
    ///
    /// # Errors
    /// [`KeysError::NoKey`], [`KeysError::NoActiveKey`], [`KeysError::CannotOpen`] or [`KeysError::BrokenKey`] for a
    /// key that signs or is to sign, and [`KeysError::Db`]: the server must not start.
    pub async fn load(pool: Pool, keks: KekRing) -> Result<Self, KeysError> {
        let ring = Ring::read(&pool, &keks).await?;
        let verifying = Keys::fixed(ring.verifying.clone());
        Ok(Self { pool, keks, ring: Arc::new(ArcSwap::from_pointee(ring)), verifying })
    }

    /// The published keys as a source of our own protected routes; they follow every reload.
    #[must_use]
    pub const fn source(&self) -> &Keys {
        &self.verifying
    }

    /// Signs the claims of an `id_token`, which are made for the algorithm that signs them (`at_hash` depends on it).
    ///
    /// # Errors
    /// [`KeysError::Sign`], a defect.
    pub fn sign_id_token<C: Serialize>(&self, claims: impl FnOnce(Algorithm) -> C) -> Result<String, KeysError> {
        let ring = self.ring.load();
        Ok(ring.signer.sign_id_token(&claims(ring.signer.algorithm()))?)
    }

    /// Signs an access token's claims with the active key: the compact JWS, `typ` at+jwt.
    ///
    /// Takes 10 to 20 microseconds of the caller's thread (RS256: about one millisecond).
    ///
    /// # Errors
    /// [`KeysError::Sign`], a defect.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeysError> {
        Ok(self.ring.load().signer.sign(claims)?)
    }

    /// Signs the revocation feed with the active key (`typ` revocations+jwt).
    ///
    /// # Errors
    /// [`KeysError::Sign`], a defect.
    pub fn sign_feed(&self, payload: &impl Serialize) -> Result<String, KeysError> {
        Ok(self.ring.load().signer.sign_feed(payload)?)
    }

    /// Signs a checkpoint of the audit log with the active key, whose public half comes along.
    ///
    /// # Errors
    /// [`KeysError::Sign`], a defect.
    pub fn sign_checkpoint(&self, payload: &impl Serialize) -> Result<(String, VerifyingKey), KeysError> {
        let ring = self.ring.load();
        Ok((ring.signer.sign_checkpoint(payload)?, ring.active.clone()))
    }

    /// Does what is due, every minute: the scheduled rotation, which never forces, and the end of dead keys. Ends when
    /// its handle is aborted. What it changes is recorded on `trail`.
    #[must_use]
    pub fn spawn_schedule(&self, schedule: Schedule, clock: Clock, trail: Trail) -> JoinHandle<()> {
        let keys = self.clone();
        tokio::spawn(trail.scope(async move {
            loop {
                let kept = rotate::keep_schedule(&keys.pool, &keys.keks, schedule, clock.now());
                match db::within(STEP_PATIENCE, kept).await {
                    Ok(rotation) => report(&rotation, schedule),
                    Err(KeysError::Db(error)) if error.is_unavailable() => {
                        tracing::info!(%error, "signing keys are looked after later");
                    }
                    Err(error) => tracing::error!(%error, "signing keys cannot be looked after"),
                }
                tokio::time::sleep(BETWEEN_STEPS).await;
            }
        }))
    }

    /// The published keys: active, next, retired, each in the order of their making.
    #[must_use]
    pub fn jwks(&self) -> Arc<JwksDocument> {
        Arc::clone(&self.ring.load().jwks)
    }

    /// The algorithms of the published keys, each once, in their order.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        self.ring.load().algorithms.clone()
    }

    /// The published keys, for whoever checks tokens of our own; exchanged with them.
    #[must_use]
    pub fn verifying(&self) -> Arc<ArcSwap<KeySet>> {
        self.verifying.set()
    }

    /// The kid that new tokens name.
    #[must_use]
    pub fn active_kid(&self) -> String {
        self.ring.load().active_kid.clone()
    }

    /// Reads the table again and uses what it says from the next token on.
    ///
    /// # Errors
    /// As [`SigningKeys::load`]; the keys in use stay.
    pub async fn reload(&self) -> Result<(), KeysError> {
        let ring = Ring::read(&self.pool, &self.keks).await?;
        // First what verifies, then what signs: a token of a new key is never unknown here.
        self.verifying.set().store(Arc::new(ring.verifying.clone()));
        let before = self.ring.swap(Arc::new(ring));
        let after = self.active_kid();
        if before.active_kid != after {
            tracing::info!(key.kid = after, key.previous_kid = before.active_kid, "another signing key is active");
        }
        Ok(())
    }

    /// Reloads every `interval`, so that replicas see new keys without a restart. Ends when its handle is aborted.
    #[must_use]
    pub fn spawn_reload(&self, interval: Duration) -> JoinHandle<()> {
        let keys = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                match db::within(RELOAD_PATIENCE, keys.reload()).await {
                    Ok(()) => {}
                    Err(KeysError::Db(error)) if error.is_unavailable() => {
                        tracing::warn!(%error, "signing keys were not re-read; those in use stay");
                    }
                    Err(error) => tracing::error!(%error, "signing keys are wrong; those in use stay"),
                }
            }
        })
    }
}

fn report(rotation: &Rotation, schedule: Schedule) {
    for kid in &rotation.gone {
        tracing::info!(key.kid = kid, "a signing key is gone: the last token under it is dead");
    }
    if let Some(changed) = &rotation.changed {
        let (kid, state) = (&changed.key.kid, changed.key.state.as_str());
        tracing::info!(key.kid = kid, key.state = state, key.retired_kid = changed.retired_kid, "signing keys changed");
    }
    if let (Some(Waiting { kid, gate: Gate::Waiting { laggards } }), Some(_)) = (&rotation.next, schedule.signs_for) {
        for laggard in laggards {
            tracing::error!(
                key.kid = kid,
                resource_server.instance = %laggard.report.instance,
                resource_server.user = laggard.report.reported_by,
                since = %laggard.since,
                "the next signing key waits for a resource server that does not hold it"
            );
        }
    }
}

impl Ring {
    async fn read(pool: &Pool, keks: &KekRing) -> Result<Self, KeysError> {
        let rows = {
            let mut conn = pool.acquire().await?;
            store::list(&mut conn).await?
        };
        let rows: Vec<StoredKey> = rows.into_iter().filter(|row| row.state.is_published()).collect();
        if rows.is_empty() {
            return Err(KeysError::NoKey);
        }
        let mut active = None;
        for row in &rows {
            // A retired key verifies with its public half alone; a next one is opened so that a rotation cannot fail.
            match row.state {
                KeyState::Active => active = Some((&row.public, open(keks, row)?)),
                KeyState::Next => drop(open(keks, row)?),
                KeyState::Retired | KeyState::Revoked => {}
            }
        }
        let (public, key) = active.ok_or(KeysError::NoActiveKey)?;
        let mut algorithms = Vec::new();
        for algorithm in rows.iter().map(|row| row.public.algorithm()) {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        let jwks = JwksDocument::new(rows.iter().map(|row| &row.public))
            .map_err(|error| KeysError::Internal(error.to_string()))?;
        let verifying = KeySet::new(rows.iter().map(|row| row.public.clone()))
            .map_err(|error| KeysError::Internal(error.to_string()))?;
        Ok(Self {
            signer: Signer::new(key, public.kid())?,
            active_kid: public.kid().to_owned(),
            active: public.clone(),
            algorithms,
            jwks: Arc::new(jwks),
            verifying,
        })
    }
}

/// Opens a row's private half and proves that it belongs to the public half beside it.
pub(super) fn open(keks: &KekRing, row: &StoredKey) -> Result<PrivateKey, KeysError> {
    let (kid, algorithm) = (row.public.kid(), row.public.algorithm());
    let broken = |reason: String| KeysError::BrokenKey { kid: kid.to_owned(), reason };
    let pkcs8 = seal::open(keks, kid, algorithm, &row.sealed)
        .map_err(|source| KeysError::CannotOpen { kid: kid.to_owned(), source })?;
    let key = PrivateKey::from_pkcs8(algorithm, &pkcs8).map_err(|error| broken(error.to_string()))?;
    let public = key.public(None).map_err(|error| broken(error.to_string()))?;
    if public.thumbprint() != row.public.thumbprint() {
        return Err(broken("its private key does not belong to its public_jwk".to_owned()));
    }
    Ok(key)
}
