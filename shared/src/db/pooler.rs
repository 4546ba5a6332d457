//! Finds out whether a connection pooler stands in front of Postgres that loses prepared statements: through such a one
//! a statement may answer with the rows of another client's query, so nobody may go on.
//!
//! Only behaviour tells: `SHOW VERSION` is answered on a pooler's own console alone. Up to five times:
//!
//! 1. Connection A prepares and runs a statement that no one else has, which tells the session's process id.
//! 2. Connection B begins a transaction, and so takes a session of the pooler away: A's, if sessions are shared.
//! 3. A runs its statement again. In the same session: direct, or session mode. In another one and right: a pooler that
//!    carries prepared statements over (PgBouncer 1.21 or later with `max_prepared_statements`). Missing, wrong, or
//!    blocked by B: unsafe.
//!
//! A session that loses a statement later (SQLSTATE 26000) ends the process too ([`lost_statement`]): a service may have
//! started before its database, or the pooler's mode was changed under it.

use std::pin::pin;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use super::DbError;

/// How often B tries to take A's session.
const ROUNDS: usize = 5;
/// How long anything may take; whatever blocks A for longer is B.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts to examine a database that does not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Notified when a prepared statement was lost; it keeps that for whoever asks later.
static LOST: Notify = Notify::const_new();

/// What a connection has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// A session: it is direct, or the pooler is in session mode.
    Own,
    /// A session for the length of a transaction, and its prepared statements wherever that is: no `LISTEN`, no locks
    /// beyond a transaction.
    Shared,
}

/// Why a database is not used.
#[derive(Debug, thiserror::Error)]
pub enum PoolerError {
    /// Prepared statements are lost on the way.
    #[error(
        "a connection pooler stands in front of it that changes sessions between transactions and loses prepared \
         statements ({0}), so that queries could be answered with the rows of others: use PgBouncer 1.21 or later with \
         max_prepared_statements > 0, or its session mode, or connect directly"
    )]
    Unsafe(&'static str),
    /// It gives no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What connections with these options have to themselves. Opens two, and closes them.
///
/// # Errors
/// [`PoolerError::Unsafe`] where it would be dangerous to go on.
pub async fn examine(options: &PgConnectOptions) -> Result<Sessions, PoolerError> {
    let mut a = in_time(options.connect()).await?;
    let mut b = in_time(options.connect()).await?;
    let mut sessions = Sessions::Own;
    for _ in 0..ROUNDS {
        sessions = round(&mut a, &mut b).await?;
        if sessions == Sessions::Shared {
            break;
        }
    }
    for conn in [a, b] {
        // It has said what it had to.
        let _ = timeout(PATIENCE, conn.close()).await;
    }
    Ok(sessions)
}

async fn round(a: &mut PgConnection, b: &mut PgConnection) -> Result<Sessions, PoolerError> {
    let probe = Probe::new();
    let first = match timeout(PATIENCE, probe.ask(a)).await {
        Ok(Ok(session)) => session,
        Ok(Err(Asked::Wrong(what))) => return Err(PoolerError::Unsafe(what)),
        Ok(Err(Asked::Failed(error))) => return Err(error.into()),
        Err(_) => return Err(late().into()),
    };
    // Without named statements: B is to disturb A by holding a session alone.
    in_time(sqlx::raw_sql("begin").execute(&mut *b)).await?;
    let held: i32 = in_time(sqlx::raw_sql("select pg_backend_pid()").fetch_one(&mut *b))
        .await?
        .try_get(0)
        .map_err(DbError::from)?;
    let mut asking = pin!(probe.ask(a));
    let in_time_beside_b = timeout(PATIENCE, &mut asking).await;
    in_time(sqlx::raw_sql("rollback").execute(&mut *b)).await?;
    let (answer, was_blocked) = match in_time_beside_b {
        Ok(answer) => (answer, false),
        Err(_) => (timeout(PATIENCE, asking).await.map_err(|_| late())?, true),
    };
    match answer {
        // One that is only slow answers in a session that B never had.
        Ok(again) if was_blocked && again == held => {
            Err(PoolerError::Unsafe("one connection's transaction blocks another connection"))
        }
        Ok(again) if again == first && held != first => Ok(Sessions::Own),
        Ok(_) => Ok(Sessions::Shared),
        Err(Asked::Wrong(what)) => Err(PoolerError::Unsafe(what)),
        Err(Asked::Failed(error)) => Err(error.into()),
    }
}

/// A statement that nobody else has.
struct Probe {
    sql: String,
    mark: String,
}

/// Why a probe has no answer.
enum Asked {
    /// The statement was lost.
    Wrong(&'static str),
    /// The database.
    Failed(DbError),
}

impl Probe {
    fn new() -> Self {
        let mark = Uuid::new_v4().simple().to_string();
        // One column, whatever other statement answers in its place.
        Self { sql: format!("select pg_backend_pid()::text || ' {mark}'"), mark }
    }

    /// The process id of the session that answered.
    async fn ask(&self, conn: &mut PgConnection) -> Result<i32, Asked> {
        let answer: String = match sqlx::query_scalar(AssertSqlSafe(self.sql.as_str())).fetch_one(conn).await {
            Ok(answer) => answer,
            Err(error) if is_lost(&error) => return Err(Asked::Wrong("a statement was gone")),
            // Another statement, with other parameters or other columns.
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| code == "08P01" || code.starts_with("42")) =>
            {
                return Err(Asked::Wrong("a statement was another one"));
            }
            Err(sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                return Err(Asked::Wrong("another statement answered"));
            }
            Err(error) => return Err(Asked::Failed(error.into())),
        };
        let session = answer.strip_suffix(self.mark.as_str()).and_then(|session| session.trim_end().parse().ok());
        session.ok_or(Asked::Wrong("another statement answered"))
    }
}

/// True where a session lacks a statement that was prepared on its connection (26000), or has one that was not (42P05).
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "26000" || code == "42P05")
}

/// Takes note that a statement was lost while serving.
pub(super) fn note_lost() {
    LOST.notify_one();
}

/// Comes back when a statement was lost while serving; what was answered before is past help, what comes is not.
pub async fn lost_statement() -> PoolerError {
    LOST.notified().await;
    PoolerError::Unsafe("SQLSTATE 26000 or 42P05 while serving")
}

/// Comes back only when nobody may go on: `unexamined` are databases that gave no answer at the start, and are examined
/// as soon as they do.
pub async fn watch(unexamined: Vec<PgConnectOptions>) -> PoolerError {
    let examine_all = async {
        for options in unexamined {
            loop {
                match examine(&options).await {
                    Ok(_) => break,
                    Err(PoolerError::Database(_)) => tokio::time::sleep(PAUSE).await,
                    Err(error @ PoolerError::Unsafe(_)) => return error,
                }
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        error = examine_all => error,
        error = lost_statement() => error,
    }
}

async fn in_time<T>(asking: impl Future<Output = sqlx::Result<T>>) -> Result<T, DbError> {
    match timeout(PATIENCE, asking).await {
        Ok(answer) => answer.map_err(DbError::from),
        Err(_) => Err(late()),
    }
}

fn late() -> DbError {
    sqlx::Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut)).into()
}
