//! `doctor`: what is well with a deployment and what to do about the rest, in one form for all services. It looks and
//! changes nothing.

use std::io;
use std::time::Duration;

use serde::Serialize;
use sqlx::PgConnection;

use super::{ConnectError, connect};
use crate::clock::Clock;
use crate::config::DatabaseConfig;
use crate::db;
use crate::db::pooler::{self, PoolerError, Sessions};
use crate::output::{OutputFormat, print_json, print_line};

/// Clocks that differ by more than this get tokens refused.
const CLOCKS: i64 = 5;
/// How long another service may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of its answer that are read at most.
const FETCH_LIMIT: usize = 256 * 1024;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works; somebody may want to know.
    Note,
    /// It does not work, or will not for long.
    Wrong,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// What was looked at.
    pub check: &'static str,
    /// How it stands.
    pub health: Health,
    /// What was seen, and what to do where it is not well.
    pub text: String,
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub struct Examination {
    looks: Vec<Look>,
}

/// Something is wrong; it is printed already.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// How much.
    #[error("{0} of {1} checks found something to do")]
    Wrong(usize, usize),
    /// stdout takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Examination {
    /// As it should be.
    pub fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.looks.push(Look { check, health: Health::Ok, text: text.into() });
    }

    /// It works; somebody may want to know.
    pub fn note(&mut self, check: &'static str, text: impl Into<String>) {
        self.looks.push(Look { check, health: Health::Note, text: text.into() });
    }

    /// Wrong, and what to do.
    pub fn wrong(&mut self, check: &'static str, text: impl Into<String>) {
        self.looks.push(Look { check, health: Health::Wrong, text: text.into() });
    }

    /// Prints all lines.
    ///
    /// # Errors
    /// [`DoctorError::Wrong`] where something is.
    pub fn print(&self, output: OutputFormat) -> Result<(), DoctorError> {
        match output {
            OutputFormat::Json => print_json(&self.looks)?,
            OutputFormat::Table => {
                for Look { check, health, text } in &self.looks {
                    let health = match health {
                        Health::Ok => "ok",
                        Health::Note => "note",
                        Health::Wrong => "WRONG",
                    };
                    print_line(format_args!("{health:<6} {check:<12} {text}"))?;
                }
            }
        }
        match self.looks.iter().filter(|look| look.health == Health::Wrong).count() {
            0 => Ok(()),
            wrong => Err(DoctorError::Wrong(wrong, self.looks.len())),
        }
    }

    /// Database, schema version, rights of the role on `rights` (table and privilege), and clocks. The connection for more
    /// looks, where there is one.
    pub async fn database(
        &mut self,
        database: &DatabaseConfig,
        service: &str,
        rights: &[(&str, &str)],
        clock: &Clock,
    ) -> Option<PgConnection> {
        let mut conn = match connect(database, service).await {
            Ok(conn) => conn,
            Err(ConnectError::Pooler { place, variable, reason }) => {
                self.wrong("pooler", format!("{place}, which {variable} names: {reason}"));
                return None;
            }
            Err(error) => {
                self.wrong("database", error.to_string());
                return None;
            }
        };
        self.ok("database", format!("{} answers, and its schema is this version's", db::place(&database.options)));
        match missing_rights(&mut conn, rights).await {
            Ok((user, missing)) if missing.is_empty() => self.ok("rights", format!("{user} has what {service} needs")),
            Ok((user, missing)) => self.wrong(
                "rights",
                format!(
                    "{user} lacks {}: run `auth-server migrate --roles`, and make it a member of the service's role",
                    missing.join(", ")
                ),
            ),
            Err(error) => self.wrong("rights", error.to_string()),
        }
        match db::now(&mut conn).await {
            Ok(now) => {
                let ahead = (clock.now() - now).num_seconds();
                match ahead.abs() {
                    ..=CLOCKS => self.ok("clock", format!("{ahead} s ahead of the database")),
                    _ => self.wrong("clock", format!("{ahead} s ahead of the database: set both by NTP; more than {CLOCKS} s apart, tokens are refused")),
                }
            }
            Err(error) => self.wrong("clock", error.to_string()),
        }
        Some(conn)
    }

    /// What stands between here and the database, and whether `direct` is what it is for: a session of its own.
    pub async fn pooler(&mut self, database: &DatabaseConfig, direct: Option<&DatabaseConfig>) {
        let between = pooler::examine(&database.options).await;
        let is_shared = matches!(between, Ok(Sessions::Shared));
        match between {
            Ok(Sessions::Own) => self.ok("pooler", "none, or one that leaves each connection its session"),
            Ok(Sessions::Shared) if direct.is_some() => self.ok("pooler", "it carries prepared statements over"),
            Ok(Sessions::Shared) => self.note(
                "pooler",
                "it carries prepared statements over, and that is all: set the service's DIRECT_DATABASE_URL, for `LISTEN` \
                 and migrations",
            ),
            // That is another check's line already.
            Err(_) => {}
        }
        let Some(DatabaseConfig { options, variable }) = direct else { return };
        let place = db::place(options);
        match pooler::examine(options).await {
            Ok(Sessions::Own) if is_shared => self.ok("direct", format!("{place} gives sessions")),
            Ok(Sessions::Own) => self.ok("direct", format!("{place} gives sessions, as the other one does")),
            Ok(Sessions::Shared) => self.wrong(
                "direct",
                format!(
                    "{variable} names {place}, where a pooler shares sessions: name Postgres itself, or session mode"
                ),
            ),
            Err(error @ (PoolerError::Unsafe(_) | PoolerError::Database(_))) => {
                self.wrong("direct", format!("{variable} names {place}: {error}"));
            }
        }
    }
}

async fn missing_rights(
    conn: &mut PgConnection,
    rights: &[(&str, &str)],
) -> Result<(String, Vec<String>), db::DbError> {
    let user = db::current_user(conn).await?;
    let mut missing = Vec::new();
    for (table, right) in rights {
        if !db::has_right(conn, table, right).await? {
            missing.push(format!("{right} on {table}"));
        }
    }
    Ok((user, missing))
}

/// What another service publishes, within bounds: five seconds, no redirects, a quarter of a megabyte.
///
/// # Errors
/// Why there is none, in words.
pub async fn fetch_json(url: &str) -> Result<serde_json::Value, String> {
    let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| error.to_string())?;
    let mut response = client.get(url).send().await.map_err(|error| format!("no answer: {}", error.without_url()))?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("it answered {}", response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
        body.extend_from_slice(&chunk);
        if body.len() > FETCH_LIMIT {
            return Err(format!("its answer is longer than {FETCH_LIMIT} bytes"));
        }
    }
    serde_json::from_slice(&body).map_err(|_| "its answer is no JSON".to_owned())
}
