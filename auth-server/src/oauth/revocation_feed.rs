//! The revocation feed over HTTP, for resource servers that share no database with us.
//!
//! The answer is a JWS (`typ` revocations+jwt) by the key that signs access tokens, so that nobody on the way can hide a
//! revocation by changing it. It names the feed and its highest number; `complete` says that it holds every entry that
//! has not expired, which is so where `since` is absent, 0, or beyond what this feed has. Whoever sees another `feed_id`
//! or a lower number than before starts over.
//!
//! The rows are read at most once in `MAX_AGE`, however many ask.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use shared::db::DbError;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::{FeedErrors, TokenError};
use crate::revocations::{self, Entry};
use crate::routes;
use crate::state::AppState;

/// How old the rows behind an answer may be.
const MAX_AGE: Duration = Duration::from_millis(200);

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(feed))
}

/// From where to read on.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Since {
    /// The highest number that is known already; absent or 0 for everything.
    #[serde(default)]
    #[param(required = false, example = 0)]
    since: i64,
}

/// The payload.
#[derive(Serialize)]
struct Feed<'a> {
    iss: &'a str,
    iat: i64,
    feed_id: Uuid,
    /// The highest number that was ever given, expired entries included.
    seq: i64,
    complete: bool,
    entries: Vec<&'a Entry>,
}

/// What is dead before its time
///
/// A JWS whose payload lists revoked tokens, sessions, users, clients and keys with numbers above `since`.
#[utoipa::path(
    get,
    path = routes::REVOCATIONS,
    tag = "Discovery",
    params(Since),
    responses(
        (status = 200, description = "The entries, signed.", body = String, content_type = "application/revocations+jwt",
            example = "eyJ0eXAiOiJyZXZvY2F0aW9ucytqd3QiLCJhbGciOi….eyJ….c2ln…"),
        FeedErrors,
    )
)]
async fn feed(
    State(state): State<AppState>,
    asked: Result<Query<Since>, QueryRejection>,
) -> Result<Response, TokenError> {
    let Query(Since { since }) = asked.map_err(|_| TokenError::Since)?;
    let now = state.clock.now();
    let snapshot = state.revocation_feed.read(&state).await?;
    let complete = since <= 0 || since > snapshot.seq;
    let is_wanted = |entry: &&Entry| entry.expires_at > now && (complete || entry.seq > since);
    let payload = Feed {
        iss: state.config.issuer.as_str(),
        iat: now.timestamp(),
        feed_id: snapshot.feed_id,
        seq: snapshot.seq,
        complete,
        entries: snapshot.entries.iter().filter(is_wanted).collect(),
    };
    let signed = state.keys.sign_feed(&payload)?;
    Ok(([(CONTENT_TYPE, "application/revocations+jwt"), (CACHE_CONTROL, "no-store")], signed).into_response())
}

/// The feed as it was a moment ago.
#[derive(Clone, Default)]
pub struct FeedCache(Arc<tokio::sync::Mutex<Option<Kept>>>);

struct Kept {
    read_at: Instant,
    snapshot: Arc<revocations::Snapshot>,
}

impl FeedCache {
    async fn read(&self, state: &AppState) -> Result<Arc<revocations::Snapshot>, DbError> {
        // Held while asking, so that a crowd asks once.
        let mut kept = self.0.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.read_at.elapsed() < MAX_AGE) {
            return Ok(Arc::clone(&kept.snapshot));
        }
        let snapshot = Arc::new(revocations::snapshot(&mut *state.pool.acquire().await?, state.clock.now()).await?);
        *kept = Some(Kept { read_at: Instant::now(), snapshot: Arc::clone(&snapshot) });
        Ok(snapshot)
    }
}
