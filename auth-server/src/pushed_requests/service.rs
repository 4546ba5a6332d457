//! Keeping requests, and answering them once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{DbError, Pool};

use super::model::RequestUri;
use super::store;
use crate::clients::ClientId;

/// Why a request was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// The pushed requests. Cheap to clone.
#[derive(Clone)]
pub struct PushedRequests {
    pool: Pool,
    ttl: TimeDelta,
}

impl PushedRequests {
    /// A service over this pool whose requests can begin for `ttl`.
    #[must_use]
    pub fn new(pool: Pool, ttl: Duration) -> Self {
        Self { pool, ttl: TimeDelta::from_std(ttl).unwrap_or(TimeDelta::seconds(60)) }
    }

    /// Seconds in which a request can begin.
    #[must_use]
    pub const fn seconds(&self) -> i64 {
        self.ttl.num_seconds()
    }

    /// Keeps a request.
    ///
    /// # Errors
    /// [`PushError`].
    pub async fn push(
        &self,
        client_id: &ClientId,
        parameters: &[(String, String)],
        now: DateTime<Utc>,
    ) -> Result<RequestUri, PushError> {
        let request_uri = RequestUri::generate(now + self.ttl).map_err(PushError::Randomness)?;
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        store::insert(&mut conn, &request_uri, client_id, parameters, now).await?;
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
