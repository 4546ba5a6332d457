//! `auth-server consent`.

use shared::output::{OutputFormat, print_json, print_line, table};

use super::Context;
use super::user::{self, printable};
use crate::clients::ClientId;
use crate::consents::{Consent, Consents};
use crate::tokens::Tokens;
use crate::users::UserRef;

const EXAMPLES: &str = "\
Examples:
  auth-server consent list --user john@domain.com
  auth-server consent revoke john@domain.com --client web
  auth-server consent revoke john@domain.com";

/// What can be done with consents: what people have allowed clients.
#[derive(clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum ConsentCommand {
    /// List what people have allowed confidential clients; public ones ask each time
    List(List),
    /// Withdraw consents, and end the refresh tokens that came of them
    Revoke(Revoke),
}

/// Flags of `consent list`.
#[derive(clap::Args)]
pub(super) struct List {
    /// Only this user's: e-mail address or sub
    #[arg(long, value_name = "WHO")]
    user: Option<UserRef>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Flags of `consent revoke`.
#[derive(clap::Args)]
pub(super) struct Revoke {
    /// Whose: e-mail address or sub
    who: UserRef,
    /// Only what this client was allowed
    #[arg(long, value_name = "CLIENT")]
    client: Option<ClientId>,
}

pub(super) async fn run(command: ConsentCommand, context: &Context) -> anyhow::Result<()> {
    let users = user::users(context)?;
    let tokens = Tokens::new(context.pool.clone(), context.config.key_ring()?, users, context.config.refresh);
    let consents = Consents::new(context.pool.clone(), tokens);
    match command {
        ConsentCommand::List(list) => list.run(&consents, context).await,
        ConsentCommand::Revoke(revoke) => revoke.run(&consents, context).await,
    }
}

impl List {
    async fn run(self, consents: &Consents, context: &Context) -> anyhow::Result<()> {
        let sub = match &self.user {
            Some(who) => Some(user::get(context, who).await?.sub),
            None => None,
        };
        let listed = consents.list(sub, self.limit).await?;
        match context.output {
            OutputFormat::Json => Ok(print_json(&listed)?),
            OutputFormat::Table => Ok(print_line(as_table(&listed))?),
        }
    }
}

impl Revoke {
    async fn run(self, consents: &Consents, context: &Context) -> anyhow::Result<()> {
        let user = user::get(context, &self.who).await?;
        let (withdrawn, families) = consents.withdraw(user.sub, self.client.as_ref(), context.clock.now()).await?;
        match context.output {
            OutputFormat::Json => Ok(print_json(&serde_json::json!({
                "sub": user.sub, "consents": withdrawn, "families": families, "done": "revoked",
            }))?),
            OutputFormat::Table => Ok(print_line(format_args!(
                "{}: {withdrawn} consents withdrawn, {families} logins with refresh tokens ended",
                printable(&user.email)
            ))?),
        }
    }
}

fn as_table(listed: &[Consent]) -> comfy_table::Table {
    let mut table = table(["user", "client", "scope", "allowed"]);
    for consent in listed {
        table.add_row([
            printable(&consent.email),
            consent.client_id.to_string(),
            consent.scope.to_string(),
            consent.granted_at.format("%Y-%m-%d %H:%M").to_string(),
        ]);
    }
    table
}
