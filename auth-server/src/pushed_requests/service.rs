//! Keeping requests, and answering them once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{DbError, Pool};

use super::model::RequestUri;
use super::store;
use crate::clients::{Client, ClientKind};
use crate::limits::{ChargeError, Limits, Origin, Throttled};

/// Why a request was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// Too many of one address, for clients that prove nothing.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<ChargeError> for PushError {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Throttled(throttled) => throttled.into(),
            ChargeError::Database(error) => error.into(),
            // Nobody waits for a push.
            ChargeError::Busy => DbError::from(sqlx::Error::PoolTimedOut).into(),
        }
    }
}

/// The pushed requests. Cheap to clone.
#[derive(Clone)]
pub struct PushedRequests {
    pool: Pool,
    limits: Limits,
    ttl: TimeDelta,
}

impl PushedRequests {
    /// A service over this pool whose requests can begin for `ttl`.
    #[must_use]
    pub fn new(pool: Pool, limits: Limits, ttl: Duration) -> Self {
        Self { pool, limits, ttl: TimeDelta::from_std(ttl).unwrap_or(TimeDelta::seconds(60)) }
    }

    /// Seconds in which a request can begin.
    #[must_use]
    pub const fn seconds(&self) -> i64 {
        self.ttl.num_seconds()
    }

    /// Keeps a request of `client`, which was authenticated or is public.
    ///
    /// # Errors
    /// [`PushError`].
    pub async fn push(
        &self,
        client: &Client,
        parameters: &[(String, String)],
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<RequestUri, PushError> {
        if client.kind == ClientKind::Public {
            self.limits.charge_push(origin, now).await?;
        }
        let request_uri = RequestUri::generate(now + self.ttl).map_err(PushError::Randomness)?;
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        store::insert(&mut conn, &request_uri, &client.client_id, parameters, now).await?;
        Ok(request_uri)
    }

    /// The parameters of a request of this client that may begin now.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find(
        &self,
        request_uri: &RequestUri,
        client_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<(String, String)>>, DbError> {
        if request_uri.expires_at() <= now {
            return Ok(None);
        }
        let mut conn = self.pool.acquire().await?;
        store::find(&mut conn, request_uri, client_id).await
    }

    /// Takes the one answer; false where it was given before.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer: then it was taken or not.
    pub async fn consume(&self, request_uri: &RequestUri, now: DateTime<Utc>) -> Result<bool, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::consume(&mut conn, request_uri, now).await
    }
}
