//! The door to Postgres: how a pool is made, which failures mean "not now", and which schema this binary knows.
//!
//! Stores take a [`Conn`]; the use case owns the transaction. Every object lives in schema `myapi`. What may stand between
//! here and there is told by [`pooler`]; which database takes writes, by [`Primary`].

pub mod pooler;
mod primary;

pub use primary::Primary;

mod doubt;
mod migration;
pub mod relay;
mod schema;

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::error::DatabaseError;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions};
use sqlx::{Connection, PgConnection};

pub use doubt::{Watch, timeout, within};
pub use migration::migrate;
pub use relay::Relay;
pub use schema::{SchemaError, SchemaState, applied_migrations, schema_state};

/// The migrations that this binary was built with; one list for both services.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// What a store function takes.
pub type Conn = sqlx::PgConnection;

/// What a service holds.
pub type Pool = sqlx::PgPool;

/// How long a request waits for a free connection before it is answered 503.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// A write on a server that is, or has become, a standby.
const READ_ONLY: &str = "25006";
/// A standby has nothing of unlogged tables, so there they cannot even be read; other things have this SQLSTATE too.
const NOT_SUPPORTED: &str = "0A000";
/// Where Postgres finds that out: messages are in the server's language, names of its functions are not.
const UNLOGGED_IN_RECOVERY: &str = "get_relation_info";

/// Why the database gave no answer. Its text holds the reason; it has no source, which would say it again.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Not now: no connection, shutting down, read-only, out of resources, cancelled. Worth a retry by the client.
    #[error("the database is unavailable: {}", reason(.0))]
    Unavailable(sqlx::Error),
    /// A defect: wrong SQL, a broken row, a violated constraint that no one expected.
    #[error("the database failed: {}", reason(.0))]
    Other(sqlx::Error),
}

impl DbError {
    /// The violated constraint's name, if that is what happened.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        let (Self::Unavailable(error) | Self::Other(error)) = self;
        error.as_database_error().and_then(|error| error.constraint())
    }

    /// True when the role that is logged in may not do this (SQLSTATE 42501), as in a deployment that only reads.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        let (Self::Unavailable(error) | Self::Other(error)) = self;
        error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "42501")
    }

    /// True for failures that pass by themselves (503 with `Retry-After`, never a 500 or a refusal).
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let is_passing = match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => true,
            // sqlx reports a connection that was cut in the middle of a message as a protocol error.
            sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => {
                is_read_only(&**error) || error.code().is_some_and(|code| is_passing_state(&code))
            }
            _ => false,
        };
        if pooler::is_lost(&error) {
            pooler::note_lost();
        }
        if error.as_database_error().is_some_and(is_read_only) {
            primary::note_read_only();
        }
        if is_passing { Self::Unavailable(error) } else { Self::Other(error) }
    }
}

/// SQLSTATE classes that mean "later" (Postgres manual, appendix A): connection exceptions, transaction rollback,
/// insufficient resources, operator intervention, system error, and locks that are not to be had.
fn is_passing_state(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "08" | "40" | "53" | "57" | "58") || code == "55P03"
}

/// Whether it tells of a server that is, or has become, a standby.
fn is_read_only(error: &dyn DatabaseError) -> bool {
    match error.code().as_deref() {
        Some(READ_ONLY) => true,
        Some(NOT_SUPPORTED) => {
            let error = error.try_downcast_ref::<PgDatabaseError>();
            error.and_then(PgDatabaseError::routine) == Some(UNLOGGED_IN_RECOVERY)
        }
        _ => false,
    }
}

/// Why a connection string cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DsnError {
    /// Not a URL that Postgres understands. The text never repeats the DSN, which may hold a password.
    #[error("is not a Postgres URL such as postgres://user:password@host/database ({0})")]
    Malformed(String),
    /// `sslmode=require` and above need TLS, which this build leaves out.
    #[error("asks for TLS (sslmode), but this binary was built without the feature `tls`")]
    TlsMissing,
}

/// Reads a DSN as the old application wrote it: SQLAlchemy's `postgresql+psycopg2://` is `postgresql://`.
///
/// # Errors
/// [`DsnError`] when the text is no Postgres URL or asks for TLS that this build lacks.
pub fn connect_options(dsn: &str) -> Result<PgConnectOptions, DsnError> {
    let plain = match dsn.split_once("://") {
        Some((scheme, rest)) if scheme.starts_with("postgresql+") || scheme.starts_with("postgres+") => {
            format!("postgresql://{rest}")
        }
        _ => dsn.to_owned(),
    };
    if !plain.starts_with("postgres://") && !plain.starts_with("postgresql://") {
        return Err(DsnError::Malformed("it starts with another scheme".to_owned()));
    }
    let options = PgConnectOptions::from_str(&plain).map_err(|error| DsnError::Malformed(error.to_string()))?;
    let wants_tls = ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"];
    if cfg!(not(feature = "tls")) && wants_tls.iter().any(|mode| plain.contains(mode)) {
        return Err(DsnError::TlsMissing);
    }
    // Poolers refuse this start-up parameter of sqlx unless told not to, and numbers travel in binary here.
    Ok(options.extra_float_digits(None))
}

/// Where a database is, for messages: host, port and name, never user or password.
#[must_use]
pub fn place(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
}

/// A pool that connects when first asked, so that a service starts while its database is down.
#[must_use]
pub fn pool(options: PgConnectOptions, max_connections: u32, application_name: &str) -> Pool {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A ping before each use costs a fifth of the throughput; a connection that dies in use shows itself as Unavailable.
        .test_before_acquire(false)
        .idle_timeout(Duration::from_secs(10 * 60))
        // The one place for it: a second `before_acquire` would replace the first.
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if primary::is_outdated(meta.age) {
                    return Ok(false);
                }
                doubt::check_rested(conn, meta.idle_for).await
            })
        })
        .after_release(|conn, _| Box::pin(doubt::check(conn)))
        .connect_lazy_with(options.application_name(application_name))
}

/// How long a stop waits for connections that somebody uses: one that hangs would hold the process for ever.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Closes a pool at the end of the process.
pub async fn close(pool: &Pool) {
    if tokio::time::timeout(CLOSE_PATIENCE, pool.close()).await.is_err() {
        tracing::warn!("the database keeps connections of ours: they are left to it");
    }
}

/// What went wrong in the server's own words, with its SQLSTATE. (sqlx adds the line of Postgres' C source.)
#[must_use]
pub fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
            format!("{}{code}", error.message())
        }
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// True when the database answers within `limit`; for `/readyz`.
pub async fn is_reachable(pool: &Pool, limit: Duration) -> bool {
    let probe = async {
        let mut connection = pool.acquire().await?;
        connection.ping().await
    };
    matches!(timeout(limit, probe).await, Ok(Ok(())))
}

/// The database's clock.
///
/// # Errors
/// [`DbError`] when the database cannot be asked.
pub async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, DbError> {
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(conn).await?)
}

/// Who the database takes us for.
///
/// # Errors
/// [`DbError`] when the database cannot be asked.
pub async fn current_user(conn: &mut PgConnection) -> Result<String, DbError> {
    Ok(sqlx::query_scalar("select current_user::text").fetch_one(conn).await?)
}

/// Whether we may do `right` (`select`, `insert`, ...) with a table, named with its schema. False where there is none.
///
/// # Errors
/// [`DbError`] when the database cannot be asked.
pub async fn has_right(conn: &mut PgConnection, table: &str, right: &str) -> Result<bool, DbError> {
    let sql = "select coalesce(has_table_privilege(to_regclass($1), $2), false)";
    Ok(sqlx::query_scalar(sql).bind(table).bind(right).fetch_one(conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_of_the_old_application_is_understood() {
        let options = connect_options("postgresql+psycopg2://u:p@db.example:5433/movies").unwrap();
        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_database(), Some("movies"));
    }

    #[test]
    fn a_dsn_that_is_none_is_refused_without_being_repeated() {
        let refused = connect_options("mysql://u:hunter2@db/x").unwrap_err().to_string();
        assert!(!refused.contains("hunter2"), "{refused}");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_that_this_build_lacks_is_refused_by_name() {
        let refused = connect_options("postgres://u@db/x?sslmode=verify-full").unwrap_err().to_string();
        assert!(refused.contains("`tls`"), "{refused}");
    }
}
