//! What an operator asks before and after a rotation.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::db::Pool;

use super::error::KeysError;
use super::model::KeyState;
use super::rotate::{Gate, Schedule, Waiting};
use super::{manage, store};
use crate::resource_servers::{self, Report};
use crate::revocations;

/// What `key status` tells.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// All keys.
    pub keys: Vec<manage::ListedKey>,
    /// The key that is to sign next, and what it waits for.
    pub next: Option<Waiting>,
    /// What resource servers report.
    pub resource_servers: Vec<ReportedServer>,
    /// The highest number of the revocation feed: who has read that far knows everything.
    pub feed_seq: i64,
}

/// A process of a resource server, and what it lacks.
#[derive(Clone, Debug, Serialize)]
pub struct ReportedServer {
    /// What it says.
    #[serde(flatten)]
    pub report: Report,
    /// Whether a rotation waits for it.
    pub is_live: bool,
    /// Published keys that it does not hold.
    pub lacks: Vec<String>,
}

/// Keys, gate and resource servers; changes nothing.
///
/// # Errors
/// [`KeysError::Db`].
pub async fn status(pool: &Pool, schedule: Schedule, now: DateTime<Utc>) -> Result<Status, KeysError> {
    let mut conn = pool.acquire().await?;
    let rows = store::list(&mut conn).await?;
    let reports = resource_servers::reports(&mut conn).await?;
    let feed_seq = revocations::highest(&mut conn).await?;
    let next = rows
        .iter()
        .find(|row| row.state == KeyState::Next)
        .map(|row| Waiting { kid: row.public.kid().to_owned(), gate: Gate::of(row, &reports, schedule, now) });
    let published: Vec<&str> = rows.iter().filter(|row| row.state.is_published()).map(|row| row.public.kid()).collect();
    let resource_servers = reports
        .into_iter()
        .map(|report| ReportedServer {
            is_live: report.is_live(),
            lacks: published.iter().filter(|kid| !report.holds(kid)).map(ToString::to_string).collect(),
            report,
        })
        .collect();
    Ok(Status { next, resource_servers, feed_seq, keys: rows.into_iter().map(Into::into).collect() })
}
