//! Migrations beside processes that serve.
//!
//! A migration takes locks that wait for every transaction on its tables, and whoever comes behind waits for it. So each try
//! gives up soon: those who serve wait no longer than [`LOCK_TIMEOUT`], and none of them is ended for a deadlock, which Postgres
//! looks for after a second (`deadlock_timeout`). Then it is tried again; migrations that were applied before stay so.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::migrate::MigrateError;
use tokio::time::Instant;

use super::schema::migrate_error;
use super::{DbError, MIGRATOR, applied_migrations};

/// Serialises runs of any version of either binary on one database.
const MIGRATION_LOCK: i64 = 0x6d79_6170_6901;
/// How long a migration waits for a lock.
const LOCK_TIMEOUT: &str = "set lock_timeout = '300ms'";
/// Until the next try.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the same migration is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// Applies what is missing, under an advisory lock: of several at once one applies and all succeed. Needs a session
/// of its own (no transaction pooler). Returns how many were applied.
///
/// # Errors
/// [`DbError`] when a migration fails, or has got no lock for a minute; those before it stay applied.
pub async fn migrate(conn: &mut PgConnection) -> Result<usize, DbError> {
    sqlx::query("select pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut *conn).await?;
    sqlx::query(LOCK_TIMEOUT).execute(&mut *conn).await?;
    let applied = apply(conn).await;
    sqlx::query("reset lock_timeout").execute(&mut *conn).await?;
    sqlx::query("select pg_advisory_unlock($1)").bind(MIGRATION_LOCK).execute(&mut *conn).await?;
    applied
}

async fn apply(conn: &mut PgConnection) -> Result<usize, DbError> {
    let before = applied_migrations(conn).await?.len();
    let (mut reached, mut since) = (before, Instant::now());
    loop {
        // Our lock is held already; sqlx's own would be a second one for the same purpose.
        let result = MIGRATOR.run_direct(None, &mut *conn, false).await;
        let now = applied_migrations(conn).await?.len();
        if now > reached {
            (reached, since) = (now, Instant::now());
        }
        match result {
            Ok(()) => return Ok(now.saturating_sub(before)),
            Err(error) if gives_way(&error) && since.elapsed() < PATIENCE => {
                tracing::info!(%error, "a table is in use: the migration gives way, and is tried again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(migrate_error(error)),
        }
    }
}

/// No lock in time, or a deadlock after all.
fn gives_way(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "55P03" | "40P01"))
}
