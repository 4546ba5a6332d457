//! A database of its own for the run: on a private Postgres, or on the server that `DATABASE_URL` names.

use std::env;
use std::future::Future;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use shared::db;
use sqlx::postgres::PgConnectOptions;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::runtime::Builder;

use super::cores::{Cores, Side};
use super::server::SECRET_KNOWN;
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

    /// Keys of movies all over the table.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn random_movies(&self, limit: i64) -> Result<Vec<i64>> {
        let options = db::connect_options(&self.url)?;
        block_on(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let query = sqlx::query_scalar("select movie_id::bigint from myapi.movies order by random() limit $1");
            Ok(query.bind(limit).fetch_all(&mut connection).await?)
        })
        .context("cannot read the movies' keys")
    }

    /// How many movies there are.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn count_movies(&self) -> Result<i64> {
        let options = db::connect_options(&self.url)?;
        block_on(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            Ok(sqlx::query_scalar("select count(*) from myapi.movies").fetch_one(&mut connection).await?)
        })
        .context("cannot count the movies")
    }

    /// Makes the movies as many as `to`: those that are there over and over, with numbers behind their titles.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn grow(&self, to: i64) -> Result<()> {
        const GROW: &str = "
            with there as (select count(*) as movies, max(movie_id) as last from myapi.movies where movie_id < 1000000000)
            insert into myapi.movies (movie_id, title, released, rating)
            select there.last + row_number() over (), title || ' ' || copy, released - (copy % 20)::integer, rating
            from myapi.movies
            cross join there
            cross join generate_series(1, $1 / there.movies + 1) as copy
            limit greatest(0, $1 - (select movies from there))";
        let options = db::connect_options(&self.url)?;
        block_on(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::query(GROW).bind(to).execute(&mut connection).await?;
            connection.execute("vacuum (analyze) myapi.movies").await?;
            Ok(())
        })
        .context("cannot make more movies")
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

    /// Where the counter of the last right secret stands.
    ///
    /// # Errors
    /// When no client has shown one yet.
    pub fn secret_slot(&self) -> Result<i32> {
        let options = db::connect_options(&self.url)?;
        block_on(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let query = sqlx::query_scalar("select slot from myapi.throttle where kind = $1 order by changed_at desc");
            Ok(query.bind(SECRET_KNOWN).fetch_one(&mut connection).await?)
        })
        .context("cannot find the counter of a client's secret")
    }

    /// Stores authorization codes that this user's browser could have been given.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn insert_codes(&self, codes: &[Code], given: &GivenFor) -> Result<()> {
        const SESSION: &str = "
            insert into myapi.sessions
                (session_id, token_hash, sub, user_version, auth_time, used_at, idle_expires_at, expires_at)
            select $1, sha256(uuid_send($1)), sub, token_version, now(), now(), now() + interval '1 day',
                now() + interval '1 day'
            from myapi.users
            where email = $2
            on conflict (session_id) do nothing";
        const CODES: &str = "
            insert into myapi.authorization_codes
                (code_hash, expires_at, client_id, sub, user_version, session_id, redirect_uri, scope, code_challenge,
                 auth_time, created_at)
            select sha256(code), $2, $3, sub, token_version, $4, $5, $6, $7, now(), now()
            from unnest($1::bytea[]) as code
            cross join myapi.users
            where email = $8";
        let options = db::connect_options(&self.url)?;
        let Some(expires_at) = codes.first().map(Code::expires_at) else { return Ok(()) };
        let bytes: Vec<Vec<u8>> = codes.iter().map(|code| code.0.to_vec()).collect();
        // The same in each call: all codes of a run come from one browser.
        let session = Uuid::from_u128(1);
        block_on(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::query(SESSION).bind(session).bind(given.email).execute(&mut connection).await?;
            let codes = sqlx::query(CODES).bind(bytes).bind(expires_at).bind(given.client_id).bind(session);
            let codes = codes.bind(given.redirect_uri).bind(given.scope.split(' ').collect::<Vec<_>>());
            codes.bind(given.challenge).bind(given.email).execute(&mut connection).await?;
            Ok(())
        })
        .context("cannot make authorization codes")
    }
}

/// What codes are given out for.
#[derive(Clone, Copy, Debug)]
pub struct GivenFor {
    /// To whom.
    pub client_id: &'static str,
    /// Where.
    pub redirect_uri: &'static str,
    /// What.
    pub scope: &'static str,
    /// By whom.
    pub email: &'static str,
    /// Provable with which verifier.
    pub challenge: &'static str,
}

/// An authorization code as auth-server makes them: its end in seconds, and 32 secret bytes.
#[derive(Clone)]
pub struct Code([u8; 36]);

impl Code {
    /// One that ends in an hour.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(now: u32) -> Result<Self> {
        let mut bytes = [0_u8; 36];
        let (end, secret) = bytes.split_at_mut(4);
        end.copy_from_slice(&now.saturating_add(3600).to_be_bytes());
        aws_lc_rs::rand::fill(secret).context("no randomness")?;
        Ok(Self(bytes))
    }

    /// As it comes in a form.
    pub fn text(&self) -> String {
        format!("mac1_{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    fn expires_at(&self) -> DateTime<Utc> {
        let end = self.0.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        DateTime::UNIX_EPOCH + TimeDelta::seconds(end.into())
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
