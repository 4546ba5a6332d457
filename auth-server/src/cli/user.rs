//! `auth-server create-user` and `auth-server user`.

mod new_password;

use anyhow::bail;
use chrono::{DateTime, Utc};
use comfy_table::Table;
use serde::Serialize;
use shared::output::{OutputFormat, print_json, print_line};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use self::new_password::NewPassword;
use super::Context;
use crate::passwords::PolicyError;
use crate::resource_servers::ResourceServers;
use crate::users::{Created, Email, Name, NewUser, User, UserError, UserRef, Users};

/// Flags of `create-user`, those of the old application among them.
#[derive(clap::Args)]
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

/// What is printed of a user: never the hash.
#[derive(Serialize)]
struct View<'a> {
    sub: Uuid,
    email: &'a str,
    name: Option<&'a str>,
    email_verified: bool,
    scopes: &'a ScopeSet,
    has_own_scopes: bool,
    token_version: i64,
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    password_changed_at: Option<DateTime<Utc>>,
    /// A generated password, this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
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
    let users = users(context)?;
    let user = match command {
        UserCommand::List(list) => return list.run(&users, context.output).await,
        UserCommand::SetPassword { who, password } => {
            // Before anybody types a password in vain.
            users.get(&who).await?;
            let (plain, is_generated) = password.read()?;
            let changed = users.set_password(&who, &plain, password.leniency()).await.map_err(explain)?;
            warn(&changed);
            return show(&users, &changed.user, is_generated.then(|| plain.expose()), context.output);
        }
        UserCommand::Delete { who } => {
            let user = users.delete(&who).await?;
            return match context.output {
                OutputFormat::Json => Ok(print_json(&serde_json::json!({ "sub": user.sub, "done": "deleted" }))?),
                OutputFormat::Table => {
                    print_line(format_args!("{} deleted", printable(&user.email)))?;
                    Ok(())
                }
            };
        }
        UserCommand::Show { who } => users.get(&who).await?,
        UserCommand::Disable { who } => users.disable(&who).await?,
        UserCommand::Enable { who } => users.enable(&who).await?,
        UserCommand::SetScopes(change) => change.run(&users, context).await?,
    };
    show(&users, &user, None, context.output)
}

/// One thread hashes all that a command line asks for.
fn users(context: &Context) -> anyhow::Result<Users> {
    let passwords = crate::passwords::Settings { lanes: 1, ..context.config.passwords.clone() };
    Ok(Users::start(context.pool.clone(), context.clock.clone(), &passwords, context.config.user_scopes.clone())?)
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
        Ok(users.set_scopes(&self.who, own).await?)
    }
}

impl<'a> View<'a> {
    fn of(users: &'a Users, user: &'a User) -> Self {
        Self {
            sub: user.sub,
            email: &user.email,
            name: user.name.as_deref(),
            email_verified: user.email_verified,
            scopes: users.scopes_of(user),
            has_own_scopes: user.scopes.is_some(),
            token_version: user.token_version,
            disabled_at: user.disabled_at,
            created_at: user.created_at,
            password_changed_at: user.password_changed_at,
            password: None,
        }
    }
}

fn show(users: &Users, user: &User, password: Option<&str>, output: OutputFormat) -> anyhow::Result<()> {
    let view = View { password, ..View::of(users, user) };
    if output == OutputFormat::Json {
        return Ok(print_json(&view)?);
    }
    print_line(table(std::slice::from_ref(&view)))?;
    if let Some(password) = password {
        print_line(format_args!("password  {password}"))?;
        eprintln!("Keep the password now: only its hash is stored, and it cannot be shown again.");
    }
    Ok(())
}

fn table(views: &[View<'_>]) -> Table {
    let mut table = Table::new();
    table.set_header(["email", "name", "sub", "scopes", "state", "created"]);
    for view in views {
        table.add_row([
            printable(view.email),
            printable(view.name.unwrap_or_default()),
            view.sub.to_string(),
            view.scopes.to_string(),
            if view.disabled_at.is_some() { "disabled" } else { "enabled" }.to_owned(),
            view.created_at.format("%F %T UTC").to_string(),
        ]);
    }
    table
}

/// The old application stored any text; none of it may steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

fn warn(created: &Created) {
    if let Some(weakness) = created.weakness {
        eprintln!("warning: {weakness}");
    }
}

/// Adds the flag that helps.
fn explain(error: UserError) -> anyhow::Error {
    match error {
        UserError::Password(PolicyError::Weak(weakness)) => {
            anyhow::anyhow!("{weakness}; choose another one, or add --allow-weak")
        }
        error => error.into(),
    }
}
