//! What of the metadata is rows: scopes, and the grants that some client may use.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::DbError;
use shared::token::scope::ScopeSet;

use crate::clients::GrantType;
use crate::state::AppState;

/// Rows are asked again after this time, so that a new client's grant is listed soon.
const ROWS_MAX_AGE: TimeDelta = TimeDelta::seconds(5);
/// After this time without an answer the last known rows are served.
const ROWS_PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Rows {
    read_at: DateTime<Utc>,
    pub(super) scopes: ScopeSet,
    pub(super) grants: Vec<GrantType>,
}

/// The rows behind the metadata, kept for `ROWS_MAX_AGE`, and longer while the database does not answer.
#[derive(Clone, Default)]
pub struct MetadataCache(Arc<tokio::sync::Mutex<Option<Arc<Rows>>>>);

impl MetadataCache {
    pub(super) async fn rows(&self, state: &AppState) -> Result<Arc<Rows>, DbError> {
        let now = state.clock.now();
        // Held while asking, so that a crowd asks once.
        let mut kept = self.0.lock().await;
        if let Some(rows) = kept.as_ref().filter(|rows| now - rows.read_at < ROWS_MAX_AGE) {
            return Ok(Arc::clone(rows));
        }
        let patience = if kept.is_some() { ROWS_PATIENCE } else { shared::db::ACQUIRE_TIMEOUT };
        let answer = tokio::time::timeout(patience, read(state, now)).await;
        let answer = answer.unwrap_or(Err(DbError::Unavailable(sqlx::Error::PoolTimedOut)));
        match (answer, kept.as_ref()) {
            (Ok(rows), _) => Ok(Arc::clone(kept.insert(Arc::new(rows)))),
            (Err(error), Some(last)) => {
                tracing::warn!(%error, "metadata is served from the last known rows");
                let last = Rows { read_at: now, scopes: last.scopes.clone(), grants: last.grants.clone() };
                Ok(Arc::clone(kept.insert(Arc::new(last))))
            }
            (Err(error), None) => Err(error),
        }
    }
}

async fn read(state: &AppState, now: DateTime<Utc>) -> Result<Rows, DbError> {
    let scopes = state.resource_servers.all_scopes().await?;
    Ok(Rows { read_at: now, scopes, grants: state.clients.grants_in_use().await? })
}
