//! The connection of a command that works on the database, with words for what keeps it from working.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};

use crate::config::DatabaseConfig;
use crate::db::pooler::{self, PoolerError};
use crate::db::{self, DbError, SchemaError};

/// How long a command waits for the database to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a command cannot work on the database.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No connection, and where it was tried.
    #[error("cannot connect to the database {place}, which {variable} names: {reason}")]
    Unreachable {
        /// `host:port/database`.
        place: String,
        /// The setting that names it.
        variable: String,
        /// What the server or the network said.
        reason: String,
    },
    /// Another schema than this binary's.
    #[error("cannot work on the database {place}, which {variable} names: {reason}")]
    Schema {
        /// `host:port/database`.
        place: String,
        /// The setting that names it.
        variable: String,
        /// Older or newer.
        reason: SchemaError,
    },
    /// Answers may be those of others.
    #[error("cannot work on the database {place}, which {variable} names: {reason}")]
    Pooler {
        /// `host:port/database`.
        place: String,
        /// The setting that names it.
        variable: String,
        /// What the pooler does.
        reason: PoolerError,
    },
    /// It did not say which schema it has.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Connects, and refuses a pooler that loses statements, and a schema that this binary is too old or too new for.
///
/// # Errors
/// [`ConnectError`], naming the database and the setting.
pub async fn connect(database: &DatabaseConfig, application_name: &str) -> Result<PgConnection, ConnectError> {
    let options = database.options.clone().application_name(application_name);
    let (place, variable) = (db::place(&options), database.variable.clone());
    let mut conn = match open(&options).await {
        Ok(conn) => conn,
        Err(reason) => return Err(ConnectError::Unreachable { place, variable, reason }),
    };
    match pooler::examine(&options).await {
        Ok(_) => {}
        Err(PoolerError::Database(error)) => return Err(error.into()),
        Err(reason @ PoolerError::Unsafe(_)) => return Err(ConnectError::Pooler { place, variable, reason }),
    }
    match db::schema_state(&mut conn).await?.check() {
        Ok(()) => Ok(conn),
        Err(reason) => Err(ConnectError::Schema { place, variable, reason }),
    }
}

async fn open(options: &PgConnectOptions) -> Result<PgConnection, String> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connected) => connected.map_err(|error| db::reason(&error)),
        Err(_) => Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}
