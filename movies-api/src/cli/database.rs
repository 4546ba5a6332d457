//! What stands between this process and its databases, looked at before anything they say is believed.

use std::iter::once;

use anyhow::anyhow;
use shared::config::{CommonConfig, DatabaseConfig};
use shared::db;
use shared::db::pooler::{self, PoolerError, Sessions};
use sqlx::postgres::PgConnectOptions;

/// The databases, as far as they answer.
pub(super) struct Examined {
    /// What connections to the direct one have to themselves; sessions, as long as nothing is known.
    pub(super) direct: Sessions,
    /// Those that gave no answer.
    unexamined: Vec<PgConnectOptions>,
}

/// Refuses poolers that lose statements. A database that is down is no reason to wait.
pub(super) async fn examine(config: &CommonConfig) -> anyhow::Result<Examined> {
    let mut examined = Examined { direct: Sessions::Own, unexamined: Vec::new() };
    // The last one is the direct one.
    for database in once(&config.database).chain(&config.direct) {
        match pooler::examine(&database.options).await {
            Ok(sessions) => examined.direct = sessions,
            Err(PoolerError::Database(_)) => {
                examined.direct = Sessions::Own;
                examined.unexamined.push(database.options.clone());
            }
            Err(error @ PoolerError::Unsafe(_)) => return Err(unusable(database, &error)),
        }
    }
    if examined.direct == Sessions::Shared {
        tracing::warn!(
            "a pooler shares sessions: without MYAPI_MOVIES__DIRECT_DATABASE_URL, naming Postgres itself, there are no hints \
             of revocations, and the feed is read every half second alone"
        );
    }
    Ok(examined)
}

impl Examined {
    /// Comes back only when a pooler turns out to lose statements.
    pub(super) async fn watch(self) -> anyhow::Error {
        anyhow!("cannot go on with the database: {}", pooler::watch(self.unexamined).await)
    }
}

fn unusable(database: &DatabaseConfig, error: &PoolerError) -> anyhow::Error {
    anyhow!("cannot use the database {} (set by {}): {error}", db::place(&database.options), database.variable)
}
