//! Checkpoints: how far every chain had come at a time, signed.
//!
//! A chain shows what was changed within it. That its end was cut off, or that somebody rewrote all of it from some row on,
//! shows only to whoever remembers what the end was; a checkpoint does. It names the chain of the server that signs it, as
//! that server knows it, and the ends of the chains that others wrote since its last one, those of commands among them.
//!
//! It is a JWS under the key that signs tokens, with a `typ` of its own. That key goes a day after it retires, so its
//! public half stands beside the JWS, and an HMAC under a subkey of the key encryption key proves later that it was ours.
//! The log has each one too: an end that was cut off with all checkpoints behind it shows to whoever kept the log.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::db::{self, DbError, Pool};
use uuid::Uuid;

use super::chain::{Head, hex};
use super::{proof, store};
use crate::keys::{KekRing, KeysError, SigningKeys};

/// How long signing and keeping one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far before its last checkpoint a server looks for chains of others: their rows take a moment to be committed.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// How far the first checkpoint of a server looks back.
const FIRST: TimeDelta = TimeDelta::days(1);

/// The keys of a server that signs checkpoints.
#[derive(Clone)]
pub struct Witness {
    pub(super) keys: SigningKeys,
    pub(super) keks: KekRing,
}

impl Witness {
    /// With these keys.
    #[must_use]
    pub const fn new(keys: SigningKeys, keks: KekRing) -> Self {
        Self { keys, keks }
    }
}

/// What is signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Statement {
    /// Seconds since 1970.
    pub(super) iat: i64,
    pub(super) heads: Vec<SignedHead>,
}

/// The end of a chain, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignedHead {
    pub(super) writer: Uuid,
    pub(super) seq: i64,
    /// Hexadecimal.
    pub(super) hash: String,
}

/// A checkpoint as it is kept.
pub(super) struct Checkpoint {
    pub(super) checkpoint_id: Uuid,
    pub(super) at: DateTime<Utc>,
    pub(super) kid: String,
    pub(super) public_jwk: serde_json::Value,
    pub(super) jws: String,
    pub(super) kek_id: String,
    pub(super) code: Vec<u8>,
}

/// The checkpoints of one process.
pub(super) struct Checkpoints {
    witness: Witness,
    pool: Pool,
    last: Option<(DateTime<Utc>, Vec<SignedHead>)>,
}

#[derive(Debug, thiserror::Error)]
enum CheckpointError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("the public key has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
}

impl Checkpoints {
    pub(super) const fn new(witness: Witness, pool: Pool) -> Self {
        Self { witness, pool, last: None }
    }

    /// Signs and keeps how far the chains have come, if any has. A failure is told; the next one covers what this one would
    /// have.
    pub(super) async fn sign(&mut self, own: Head, now: DateTime<Utc>) {
        match db::timeout(PATIENCE, self.try_sign(own, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "no audit checkpoint was kept; the next one covers it"),
            Err(_) => tracing::warn!("no audit checkpoint was kept in time; the next one covers it"),
        }
    }

    async fn try_sign(&mut self, own: Head, now: DateTime<Utc>) -> Result<(), CheckpointError> {
        let since = self.last.as_ref().map_or(now - FIRST, |(at, _)| *at - OVERLAP);
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let mut heads = store::list_heads(&mut conn, since, own.writer).await?;
        if own.seq > 0 {
            heads.push(SignedHead { writer: own.writer, seq: own.seq, hash: hex(&own.hash) });
        }
        if heads.is_empty()
            || self.last.as_ref().is_some_and(|(_, before)| heads.iter().all(|head| before.contains(head)))
        {
            return Ok(());
        }
        let statement = Statement { iat: now.timestamp(), heads };
        let (jws, public) = self.witness.keys.sign_checkpoint(&statement)?;
        let kek = self.witness.keks.current();
        let checkpoint = Checkpoint {
            checkpoint_id: Uuid::new_v4(),
            at: now,
            kid: public.kid().to_owned(),
            public_jwk: serde_json::to_value(public.jwk())?,
            code: proof::code(kek, &jws).to_vec(),
            kek_id: kek.id().to_owned(),
            jws,
        };
        store::insert_checkpoint(&mut conn, &checkpoint).await?;
        tracing::info!(audit.checkpoint = checkpoint.jws, "audit checkpoint");
        self.last = Some((now, statement.heads));
        Ok(())
    }
}
