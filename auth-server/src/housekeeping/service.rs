//! What is kept in order.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use shared::clock::Clock;
use shared::db::{self, Conn, DbError, Pool};
use tokio::task::JoinHandle;

use super::store;
use crate::proofs;
use crate::revocations::{LONGEST_ACCESS_TOKEN, MARGIN};

/// A table of partitions, and how far ahead they are made.
struct Partitioned {
    table: &'static str,
    /// Days that one partition spans.
    step: TimeDelta,
    horizon: TimeDelta,
}

/// What happened, for as long as the settings say.
const AUDIT_EVENTS: &str = "audit_events";
/// How long dead rows stay: the time of the database and ours may differ.
const KEPT: TimeDelta = TimeDelta::days(1);
/// Ended families that go with one statement.
const FAMILIES_AT_ONCE: i64 = 5_000;
/// Proofs that are too old and go with one statement.
const PROOFS_AT_ONCE: i64 = 5_000;
/// Sessions that are over and go with one statement.
const SESSIONS_AT_ONCE: i64 = 5_000;
/// How long one run may take, for a connection whose other end is gone never answers; the next one goes on where it ended.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The service.
#[derive(Clone)]
pub struct Housekeeping {
    pool: Pool,
    clock: Clock,
    refresh_horizon: TimeDelta,
    audit_retention: Option<TimeDelta>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Partitions made ahead.
    pub made: i32,
    /// Partitions dropped behind.
    pub dropped: u32,
    /// Families deleted.
    pub families: u64,
    /// Browser sessions deleted.
    pub sessions: u64,
    /// DPoP proofs forgotten.
    pub proofs: u64,
}

impl Housekeeping {
    /// `refresh_absolute` is the longest life that a refresh token can have.
    #[must_use]
    pub fn new(pool: Pool, clock: Clock, refresh_absolute: Duration) -> Self {
        let refresh_horizon = TimeDelta::from_std(refresh_absolute).unwrap_or(TimeDelta::days(366));
        Self { pool, clock, refresh_horizon, audit_retention: None }
    }

    /// Audit events go when they are this old; without it they stay.
    #[must_use]
    pub fn with_audit_retention(self, retention: Option<Duration>) -> Self {
        Self { audit_retention: retention.and_then(|kept| TimeDelta::from_std(kept).ok()), ..self }
    }

    /// Does it all once.
    ///
    /// # Errors
    /// [`DbError`]; what was done until then stays done.
    pub async fn run(&self) -> Result<Done, DbError> {
        let mut conn = self.pool.acquire().await?;
        let mut done = Done { made: self.make_partitions(&mut conn).await?, ..Done::default() };
        let now = self.clock.now();
        let before = now - KEPT;
        for partitioned in self.tables() {
            let before = match partitioned.table {
                AUDIT_EVENTS => self.audit_retention.map_or(DateTime::UNIX_EPOCH, |kept| now - kept),
                _ => before,
            };
            while let Some(name) = store::drop_partition(&mut conn, partitioned.table, before).await? {
                tracing::info!(partition = name, "dropped a partition whose rows had all expired");
                done.dropped += 1;
            }
            if store::has_strays(&mut conn, partitioned.table).await? {
                tracing::error!(
                    table = partitioned.table,
                    "the default partition holds rows whose time is beyond all partitions: was a lifetime lowered?"
                );
            }
        }
        loop {
            let deleted = store::delete_families(&mut conn, before, FAMILIES_AT_ONCE).await?;
            done.families += deleted;
            if deleted == 0 {
                break;
            }
        }
        loop {
            let deleted = store::delete_sessions(&mut conn, before, SESSIONS_AT_ONCE).await?;
            done.sessions += deleted;
            if deleted == 0 {
                break;
            }
        }
        loop {
            let deleted = proofs::delete_expired(&mut conn, before, PROOFS_AT_ONCE).await?;
            done.proofs += deleted;
            if deleted == 0 {
                return Ok(done);
            }
        }
    }

    /// Runs now and then every `interval`. Ends when its handle is aborted.
    #[must_use]
    pub fn spawn(&self, interval: Duration) -> JoinHandle<()> {
        let housekeeping = self.clone();
        tokio::spawn(async move {
            loop {
                match db::within(PATIENCE, housekeeping.run()).await {
                    Ok(done) => tracing::debug!(?done, "housekeeping is done"),
                    Err(error) if error.is_unavailable() => tracing::info!(%error, "housekeeping tries again later"),
                    Err(error) => tracing::error!(%error, "housekeeping failed"),
                }
                tokio::time::sleep(interval).await;
            }
        })
    }

    async fn make_partitions(&self, conn: &mut Conn) -> Result<i32, DbError> {
        let mut made = 0;
        for Partitioned { table, step, horizon } in self.tables() {
            made += store::make_partitions(conn, table, step, self.clock.now() + horizon + step).await?;
        }
        Ok(made)
    }

    const fn tables(&self) -> [Partitioned; 7] {
        let day = TimeDelta::days(1);
        let week = TimeDelta::days(7);
        let revocations = LONGEST_ACCESS_TOKEN.checked_add(&MARGIN);
        let revocations = match revocations {
            Some(horizon) => horizon,
            None => week,
        };
        [
            Partitioned { table: "refresh_tokens", step: week, horizon: self.refresh_horizon },
            Partitioned { table: "revocations", step: week, horizon: revocations },
            Partitioned { table: AUDIT_EVENTS, step: week, horizon: week },
            Partitioned { table: "authorization_codes", step: day, horizon: day },
            Partitioned { table: "device_codes", step: day, horizon: day },
            Partitioned { table: "pushed_requests", step: day, horizon: day },
            Partitioned { table: "client_assertions", step: day, horizon: day },
        ]
    }
}
