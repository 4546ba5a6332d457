//! `auth-server migrate`.

use anyhow::{Context as _, bail};
use shared::db;
use shared::db::pooler::{self, PoolerError, Sessions};
use shared::output::{OutputFormat, print_json, print_line, table};
use sqlx::{ConnectOptions as _, Connection as _};

use super::Context;
use crate::audit::{self, Event, Kind};
use crate::resource_servers::{NewScope, ResourceServers};
use crate::revocations;
use crate::schema;
use crate::tokens;
use crate::users;

const EXAMPLES: &str = "\
Examples:
  auth-server migrate --roles
  auth-server migrate status --output json
  auth-server migrate --restored --end-logins

It may run any number of times, and several at once: one applies what is missing, all succeed.";

/// Flags of `migrate`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Migrate {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
    /// Make the roles myapi_auth, myapi_movies_read and myapi_movies_write, and grant them their rights
    #[arg(long)]
    roles: bool,
    /// Take a restored dump into use: resource servers read the revocation feed anew, and the log says what was lost
    #[arg(long)]
    restored: bool,
    /// With --restored, also end every login, so that no refresh token of the dump is good for anything
    #[arg(long, requires = "restored")]
    end_logins: bool,
}

#[derive(clap::Subcommand)]
enum MigrateCommand {
    /// Tell which migrations the database has
    Status,
}

impl Migrate {
    pub(super) async fn run(&self, context: &Context) -> anyhow::Result<()> {
        let database = context.config.common.direct_database();
        let options = database.options.clone().application_name("auth-server migrate");
        let place = db::place(&options);
        match pooler::examine(&options).await {
            Ok(Sessions::Own) => {}
            Ok(Sessions::Shared) => bail!(
                "cannot migrate through {place}, which {} names: a pooler shares sessions there, and migrations need one of \
                 their own: set MYAPI_AUTH__DIRECT_DATABASE_URL",
                database.variable
            ),
            Err(error @ PoolerError::Unsafe(_)) => bail!("cannot use the database {place}: {error}"),
            // To be told by the attempt below, in its words.
            Err(PoolerError::Database(_)) => {}
        }
        let mut conn = options.connect().await.with_context(|| format!("cannot reach the database {place}"))?;
        match self.command {
            Some(MigrateCommand::Status) => status(&mut conn, context).await?,
            None => {
                migrate(&mut conn, self.roles, context).await?;
                if self.restored {
                    restored(&mut conn, self.end_logins, context).await?;
                }
            }
        }
        Ok(conn.close().await?)
    }
}

async fn migrate(conn: &mut shared::db::Conn, with_roles: bool, context: &Context) -> anyhow::Result<()> {
    let done = schema::migrate(conn, with_roles).await?;
    let audience = register_movies(context).await?;
    let clashing = users::adopt_addresses(conn).await?;
    if context.output == OutputFormat::Json {
        let report =
            serde_json::json!({ "migrated": done, "registered_audience": audience, "clashing_emails": clashing });
        return Ok(print_json(&report)?);
    }
    match done.applied {
        0 => print_line("The schema is up to date.")?,
        1 => print_line("Applied 1 migration.")?,
        many => print_line(format_args!("Applied {many} migrations."))?,
    }
    for role in &done.roles_made {
        print_line(format_args!("Made role {role}."))?;
    }
    if let Some(audience) = audience {
        print_line(format_args!("Registered the movies API as resource server {audience}."))?;
    }
    if !clashing.is_empty() {
        print_line(
            "These addresses differ from another one only by case or form; they log in by their exact spelling:",
        )?;
        for clash in &clashing {
            print_line(format_args!("  {}", clash.addresses.join("  ")))?;
        }
    }
    Ok(())
}

/// What was revoked, spent or changed after the dump is not in it.
async fn restored(conn: &mut shared::db::Conn, ends_logins: bool, context: &Context) -> anyhow::Result<()> {
    let now = context.clock.now();
    let mut transaction = conn.begin().await?;
    let ended =
        if ends_logins { tokens::revoke_all(&mut transaction, "the database was restored", now).await? } else { 0 };
    let feed_id = revocations::renew(&mut transaction).await?;
    transaction.commit().await?;
    audit::note(Event::ok(Kind::Restored).detail(format_args!("feed {feed_id}, {ended} logins ended")));
    if context.output == OutputFormat::Json {
        return Ok(print_json(&serde_json::json!({ "feed_id": feed_id, "ended_logins": ended }))?);
    }
    print_line(format_args!(
        "The revocation feed is a new one, {feed_id}: resource servers read it from its beginning."
    ))?;
    if ends_logins {
        return Ok(print_line(format_args!("{ended} logins are over: everybody logs in again."))?);
    }
    Ok(print_line(
        "Refresh tokens that were given out after the dump are invalid_grant. Those of the dump are good again, also where \
         they were spent after it; --end-logins ends them all.",
    )?)
}

/// The first resource server is a row like any later one; returns its audience when this run made it.
async fn register_movies(context: &Context) -> anyhow::Result<Option<String>> {
    let resource_servers = ResourceServers::new(context.pool.clone(), context.clock.clone());
    let scopes = [
        NewScope { scope: "movies:read".to_owned(), description: "Read movies".to_owned() },
        NewScope { scope: "movies:write".to_owned(), description: "Add, change and delete movies".to_owned() },
    ];
    let is_made = resource_servers.create_first(&context.config.audience, "movies", &scopes).await?;
    Ok(is_made.then(|| context.config.audience.clone()))
}

async fn status(conn: &mut shared::db::Conn, context: &Context) -> anyhow::Result<()> {
    let migrations = schema::status(conn).await?;
    if context.output == OutputFormat::Json {
        return Ok(print_json(&migrations)?);
    }
    let mut table = table(["version", "migration", "applied"]);
    for migration in &migrations {
        let applied = migration.applied_at.map_or_else(|| "missing".to_owned(), |at| at.to_rfc3339());
        table.add_row([migration.version.to_string(), migration.description.clone(), applied]);
    }
    Ok(print_line(&table)?)
}
