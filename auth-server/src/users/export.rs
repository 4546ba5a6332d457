//! Writes all users into a file, without anything secret, as they are at one moment, page by page.

use std::io::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::db::{Conn, DbError};
use shared::files::io_error;
use shared::token::scope::ScopeSet;
use sqlx::Connection as _;
use uuid::Uuid;

use super::{User, store};

/// How many users are held at once.
const PAGE: i64 = 1000;

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Comma separated with a header line, RFC 4180.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// Why an export ended early. What was written so far is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The output.
    #[error("the output cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl ExportError {
    /// True when the reader of the output went away, as `head` does.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// What is written of a user.
#[derive(Serialize)]
struct Line<'a> {
    sub: Uuid,
    email: &'a str,
    name: Option<&'a str>,
    email_verified: bool,
    disabled: bool,
    /// The user's own scopes; nothing means those of the settings.
    scopes: Option<&'a ScopeSet>,
    created_at: DateTime<Utc>,
    password_changed_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a User> for Line<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            sub: user.sub,
            email: &user.email,
            name: user.name.as_deref(),
            email_verified: user.email_verified,
            disabled: !user.is_active(),
            scopes: user.scopes.as_ref(),
            created_at: user.created_at,
            password_changed_at: user.password_changed_at,
        }
    }
}

enum Writer<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> Writer<W> {
    /// CSV begins with its header, also when no user follows.
    fn open(to: W, format: ExportFormat) -> std::io::Result<Self> {
        const HEADER: [&str; 8] =
            ["sub", "email", "name", "email_verified", "disabled", "scopes", "created_at", "password_changed_at"];
        match format {
            ExportFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
                writer.write_record(HEADER).map_err(io_error)?;
                Ok(Self::Csv(Box::new(writer)))
            }
            ExportFormat::Jsonl => Ok(Self::Jsonl(to)),
        }
    }

    fn write(&mut self, user: &User) -> std::io::Result<()> {
        let line = Line::from(user);
        match self {
            Self::Csv(writer) => writer.serialize(line).map_err(io_error),
            Self::Jsonl(to) => {
                serde_json::to_writer(&mut *to, &line)?;
                to.write_all(b"\n")
            }
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Csv(mut writer) => writer.flush(),
            Self::Jsonl(mut to) => to.flush(),
        }
    }
}

/// Writes every user in the order of addresses and returns how many there were.
///
/// # Errors
/// [`ExportError`] when the output or the database fails.
pub async fn export(conn: &mut Conn, to: impl Write, format: ExportFormat) -> Result<u64, ExportError> {
    let mut writer = Writer::open(to, format)?;
    let mut written = 0;
    let mut last: Option<String> = None;
    let snapshot = conn.begin_with("begin isolation level repeatable read, read only").await;
    let mut snapshot = snapshot.map_err(DbError::from)?;
    loop {
        let users = store::list(&mut snapshot, last.as_deref(), PAGE).await?;
        for user in &users {
            writer.write(user)?;
            written += 1;
        }
        match users.into_iter().last() {
            Some(user) => last = Some(user.email),
            None => break,
        }
    }
    snapshot.rollback().await.map_err(DbError::from)?;
    writer.finish()?;
    Ok(written)
}
