//! `auth-server create-user` and `auth-server user`.

mod export;
mod import;
mod new_password;
mod view;

use anyhow::{anyhow, bail};
use shared::output::{OutputFormat, print_json, print_line};
use shared::token::scope::ScopeSet;

use self::new_password::NewPassword;
pub(super) use self::view::printable;
use self::view::{View, show, table};
use super::Context;
use crate::passwords::PolicyError;
use crate::resource_servers::ResourceServers;
use crate::users::{Created, Email, Name, NewUser, User, UserError, UserRef, Users};

const CREATE_EXAMPLES: &str = "\
Examples:
  auth-server create-user --name 'John Smith' --email john@domain.com
  auth-server create-user --email john@domain.com --password-stdin < password.txt
  auth-server create-user --email john@domain.com --generate-password --output json";

const USER_EXAMPLES: &str = "\
Examples:
  auth-server user list --limit 20
  auth-server user set-password john@domain.com
  auth-server user set-scopes john@domain.com --scope movies:read --scope profile
  auth-server user disable john@domain.com
  auth-server user import users.csv --dry-run";

/// Flags of `create-user`, those of the old application among them.
#[derive(clap::Args)]
#[command(after_long_help = CREATE_EXAMPLES)]
pub(super) struct CreateUser {
    /// What people call the user
    #[arg(long)]
    name: Option<Name>,
    /// The address that the user logs in by
    #[arg(long, value_name = "ADDRESS")]
    email: Email,
    #[command(flatten)]
    password: NewPassword,
}

/// What can be done with users. WHO is an e-mail address or a `sub`.
#[derive(clap::Subcommand)]
#[command(after_long_help = USER_EXAMPLES)]
pub(super) enum UserCommand {
    /// List users by address
    List(List),
    /// Show one user
    Show {
        /// E-mail address or sub
        who: UserRef,
    },
    /// Refuse a user from now on
    Disable {
        /// E-mail address or sub
        who: UserRef,
    },
    /// Let a disabled user log in again
    Enable {
        /// E-mail address or sub
        who: UserRef,
    },
    /// Set a user's password
    SetPassword {
        /// E-mail address or sub
        who: UserRef,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Say what a user's tokens may be for
    SetScopes(SetScopes),
    /// Bring users of another application in, with the hashes of their passwords
    Import(import::Import),
    /// Write all users to stdout, without anything secret
    Export(export::Export),
    /// Delete a user for good; its sub is never given out again
    Delete {
        /// E-mail address or sub
        who: UserRef,
    },
}

/// Flags of `user list`.
#[derive(clap::Args)]
pub(super) struct List {
    /// Begin behind this address
    #[arg(long, value_name = "ADDRESS")]
    after: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Flags of `user set-scopes`.
#[derive(clap::Args)]
pub(super) struct SetScopes {
    /// E-mail address or sub
    who: UserRef,
    #[command(flatten)]
    choice: ScopeChoice,
}

/// Exactly one of them.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct ScopeChoice {
    /// A scope that the user may give away; repeat for more
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<ScopeSet>,
    /// No scope at all
    #[arg(long)]
    none: bool,
    /// Those of MYAPI_AUTH__USER_SCOPES
    #[arg(long)]
    default: bool,
}

pub(super) async fn create(arguments: CreateUser, context: &Context) -> anyhow::Result<()> {
    let users = users(context)?;
    let (plain, is_generated) = arguments.password.read()?;
    let new = NewUser { email: arguments.email, name: arguments.name, scopes: None };
    let created = users.create(&new, &plain, arguments.password.leniency()).await.map_err(explain)?;
    warn(&created);
    show(&users, &created.user, is_generated.then(|| plain.expose()), context.output)
}

pub(super) async fn run(command: UserCommand, context: &Context) -> anyhow::Result<()> {
    let command = match command {
        UserCommand::Import(import) => return import.run(context).await,
        UserCommand::Export(export) => return export.run(context).await,
        command => command,
    };
    let users = users(context)?;
    let user = match command {
        UserCommand::List(list) => return list.run(&users, context.output).await,
        UserCommand::SetPassword { who, password } => {
            // Before anybody types a password in vain.
            users.get(&who).await.map_err(missing(&who))?;
            let (plain, is_generated) = password.read()?;
            let changed = users.set_password(&who, &plain, password.leniency()).await.map_err(missing(&who))?;
            warn(&changed);
            return show(&users, &changed.user, is_generated.then(|| plain.expose()), context.output);
        }
        UserCommand::Delete { who } => {
            let user = users.delete(&who).await.map_err(missing(&who))?;
            return match context.output {
                OutputFormat::Json => Ok(print_json(&serde_json::json!({ "sub": user.sub, "done": "deleted" }))?),
                OutputFormat::Table => Ok(print_line(format_args!("{} deleted", printable(&user.email)))?),
            };
        }
        UserCommand::Show { who } => users.get(&who).await.map_err(missing(&who))?,
        UserCommand::Disable { who } => users.disable(&who).await.map_err(missing(&who))?,
        UserCommand::Enable { who } => users.enable(&who).await.map_err(missing(&who))?,
        UserCommand::SetScopes(change) => change.run(&users, context).await?,
        UserCommand::Import(_) | UserCommand::Export(_) => return Ok(()),
    };
    show(&users, &user, None, context.output)
}

/// One thread hashes all that a command line asks for.
pub(super) fn users(context: &Context) -> anyhow::Result<Users> {
    let passwords = crate::passwords::Settings { lanes: 1, ..context.config.passwords.clone() };
    Ok(Users::start(context.pool.clone(), context.clock.clone(), &passwords, context.config.user_scopes.clone())?)
}

/// The user who is meant, for other nouns' commands.
pub(super) async fn get(context: &Context, who: &UserRef) -> anyhow::Result<User> {
    users(context)?.get(who).await.map_err(missing(who))
}

impl List {
    async fn run(self, users: &Users, output: OutputFormat) -> anyhow::Result<()> {
        let mut page = users.list(self.after.as_deref(), self.limit.saturating_add(1)).await?;
        let has_more = u32::try_from(page.len()).is_ok_and(|found| found > self.limit);
        page.truncate(usize::try_from(self.limit)?);
        let views: Vec<View<'_>> = page.iter().map(|user| View::of(users, user)).collect();
        match output {
            OutputFormat::Json => print_json(&views)?,
            OutputFormat::Table => print_line(table(&views))?,
        }
        if let Some(last) = page.last().filter(|_| has_more) {
            eprintln!("There are more: --after '{}' goes on.", printable(&last.email));
        }
        Ok(())
    }
}

impl SetScopes {
    async fn run(self, users: &Users, context: &Context) -> anyhow::Result<User> {
        let own = if self.choice.default {
            None
        } else {
            Some(ScopeSet::from_names(self.choice.scopes.iter().flat_map(ScopeSet::iter))?)
        };
        let known = ResourceServers::new(context.pool.clone(), context.clock.clone()).all_scopes().await?;
        if let Some(unknown) = own.iter().flat_map(ScopeSet::iter).find(|scope| !known.contains(scope)) {
            bail!("there is no scope `{unknown}`; known are: {known}");
        }
        users.set_scopes(&self.who, own).await.map_err(missing(&self.who))
    }
}

fn warn(created: &Created) {
    if let Some(weakness) = created.weakness {
        eprintln!("warning: {weakness}");
    }
}

/// Names who was meant; the service's own errors, which may be logged, never hold an address.
fn missing(who: &UserRef) -> impl Fn(UserError) -> anyhow::Error {
    move |error| match error {
        UserError::NotFound => anyhow!("there is no user `{who}`: see `auth-server user list`"),
        error => explain(error),
    }
}

/// Adds the flag that helps.
fn explain(error: UserError) -> anyhow::Error {
    match error {
        UserError::Password(PolicyError::Weak(weakness)) => {
            anyhow!("{weakness}; choose another one, or add --allow-weak")
        }
        error => error.into(),
    }
}
