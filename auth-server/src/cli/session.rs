//! `auth-server session`.

use shared::output::{OutputFormat, print_json, print_line, table};
use uuid::Uuid;

use super::Context;
use super::user::{self, printable};
use crate::sessions::{Listed, Sessions};
use crate::tokens::Tokens;
use crate::users::UserRef;

const EXAMPLES: &str = "\
Examples:
  auth-server session list
  auth-server session list --user john@domain.com
  auth-server session revoke 0d5f5c1e-3f0d-4a63-9a0e-6a8f6f2f1a11
  auth-server session revoke --user john@domain.com";

/// What can be done with browser sessions.
#[derive(clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum SessionCommand {
    /// List the browsers that are signed in, the last used ones first
    List(List),
    /// Sign browsers out
    ///
    /// One session, with the refresh tokens that came from it; or with `--user` all of a user's, and every refresh token
    /// that the user has anywhere.
    Revoke(Revoke),
}

/// Flags of `session list`.
#[derive(clap::Args)]
pub(super) struct List {
    /// Only this user's: e-mail address or sub
    #[arg(long, value_name = "WHO")]
    user: Option<UserRef>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Flags of `session revoke`.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Revoke {
    /// The session, as `session list` names it
    #[arg(value_name = "SESSION")]
    session_id: Option<Uuid>,
    /// All of this user's: e-mail address or sub
    #[arg(long, value_name = "WHO")]
    user: Option<UserRef>,
}

pub(super) async fn run(command: SessionCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        SessionCommand::List(list) => list.run(context).await,
        SessionCommand::Revoke(revoke) => revoke.run(context).await,
    }
}

fn sessions(context: &Context) -> anyhow::Result<Sessions> {
    let users = user::users(context)?;
    let tokens = Tokens::new(context.pool.clone(), context.config.key_ring()?, users.clone(), context.config.refresh);
    Ok(Sessions::new(context.pool.clone(), context.config.sessions, users, tokens))
}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let sub = match &self.user {
            Some(who) => Some(user::get(context, who).await?.sub),
            None => None,
        };
        let listed = sessions(context)?.list(sub, self.limit, context.clock.now()).await?;
        match context.output {
            OutputFormat::Json => Ok(print_json(&listed)?),
            OutputFormat::Table => Ok(print_line(as_table(&listed))?),
        }
    }
}

impl Revoke {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let sessions = sessions(context)?;
        let now = context.clock.now();
        if let Some(who) = &self.user {
            let user = user::get(context, who).await?;
            let (ended, families) = sessions.end_all(user.sub, now).await?;
            return match context.output {
                OutputFormat::Json => Ok(print_json(
                    &serde_json::json!({ "sub": user.sub, "sessions": ended, "families": families, "done": "revoked" }),
                )?),
                OutputFormat::Table => Ok(print_line(format_args!(
                    "{}: {ended} sessions and {families} logins with refresh tokens ended",
                    printable(&user.email)
                ))?),
            };
        }
        let session_id = self.session_id.unwrap_or_default();
        if !sessions.end(session_id, now).await? {
            anyhow::bail!("there is no live session `{session_id}`: see `auth-server session list`");
        }
        match context.output {
            OutputFormat::Json => Ok(print_json(&serde_json::json!({ "session_id": session_id, "done": "revoked" }))?),
            OutputFormat::Table => Ok(print_line(format_args!("{session_id} revoked"))?),
        }
    }
}

fn as_table(listed: &[Listed]) -> comfy_table::Table {
    let mut table = table(["session", "user", "signed in", "last used", "ends"]);
    for session in listed {
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M").to_string();
        table.add_row([
            session.session_id.to_string(),
            printable(&session.email),
            time(session.auth_time),
            time(session.used_at),
            time(session.idle_expires_at),
        ]);
    }
    table
}
