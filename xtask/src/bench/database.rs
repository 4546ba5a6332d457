//! A database of its own for the run: on a private Postgres, or on the server that `DATABASE_URL` names.

use std::env;
use std::future::Future;

use anyhow::{Context, Result};
use shared::db;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::runtime::Builder;

use super::cores::{Cores, Side};
use crate::checkout::Checkout;
use crate::interrupt::Interrupt;
use crate::postgres::throwaway;
use crate::progress::say;
use crate::random;

/// The database of a run.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its URL.
    pub url: String,
    /// Whether its server was started for this run, on the measured server's core.
    pub is_private: bool,
}

/// Does `work` with a new database, and drops it afterwards.
///
/// # Errors
/// When there is no server or it makes no database, and those of `work`.
pub fn with_database<T>(
    checkout: &Checkout,
    cores: &Cores,
    interrupt: &Interrupt,
    work: impl FnOnce(&Database) -> Result<T>,
) -> Result<T> {
    if let Some(url) = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()) {
        say("    Database DATABASE_URL is set: that server is used");
        return on_server(&url, false, work);
    }
    cores.enter(Side::Server);
    throwaway::with_server(checkout, interrupt, |url| {
        cores.enter(Side::Both);
        on_server(url, true, work)
    })
}

fn on_server<T>(server: &str, is_private: bool, work: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
    let options = db::connect_options(server).context("DATABASE_URL")?;
    let name = format!("myapi_bench_{}", random::text(8)?);
    execute(&options, format!("create database {name}")).context("cannot make a database for the run")?;
    let database = Database { url: options.clone().database(&name).to_url_lossy().to_string(), is_private };
    let done = work(&database);
    let dropped = execute(&options, format!("drop database {name} with (force)"));
    // What went wrong first is what matters.
    done.and_then(|done| dropped.map(|()| done).with_context(|| format!("cannot drop the database {name}")))
}

impl Database {
    /// Keys of movies, the lowest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn movies(&self, limit: i64) -> Result<Vec<i64>> {
        let options = db::connect_options(&self.url)?;
        block_on(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let query = sqlx::query_scalar("select movie_id::bigint from myapi.movies order by 1 limit $1");
            Ok(query.bind(limit).fetch_all(&mut connection).await?)
        })
        .context("cannot read the movies' keys")
    }

    /// The stored password hash of the user with this address.
    ///
    /// # Errors
    /// When there is none.
    pub fn stored_hash(&self, email: &str) -> Result<String> {
        let options = db::connect_options(&self.url)?;
        block_on(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let query = sqlx::query_scalar("select hashed_password from myapi.users where email = $1");
            Ok(query.bind(email).fetch_one(&mut connection).await?)
        })
        .with_context(|| format!("cannot read the password hash of {email}"))
    }
}

fn execute(options: &PgConnectOptions, statement: String) -> Result<()> {
    block_on(async {
        let mut connection = PgConnection::connect_with(options).await?;
        // Its only variable part is a name made of letters and digits.
        connection.execute(AssertSqlSafe(statement)).await?;
        Ok(connection.close().await?)
    })
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?.block_on(work)
}
