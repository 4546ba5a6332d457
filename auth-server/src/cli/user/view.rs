//! What the commands print of users.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use comfy_table::Table;
use serde::Serialize;
use shared::output::{self, OutputFormat, print_json, print_line};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use crate::users::{User, Users};

/// What is printed of a user: never the hash.
#[derive(Serialize)]
pub(super) struct View<'a> {
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

impl<'a> View<'a> {
    pub(super) fn of(users: &'a Users, user: &'a User) -> Self {
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

pub(super) fn show(users: &Users, user: &User, password: Option<&str>, output: OutputFormat) -> anyhow::Result<()> {
    let view = View { password, ..View::of(users, user) };
    let table = table(std::slice::from_ref(&view));
    match (output, password) {
        (OutputFormat::Json, None) => Ok(print_json(&view)?),
        (OutputFormat::Table, None) => Ok(print_line(&table)?),
        (_, Some(password)) => {
            let printed = match output {
                OutputFormat::Json => print_json(&view),
                OutputFormat::Table => print_line(format_args!("{table}\npassword  {password}")),
            };
            printed.context("the password is set, but nobody saw it: `user set-password` sets another one")?;
            if output == OutputFormat::Table {
                eprintln!("Keep the password now: only its hash is stored, and it cannot be shown again.");
            }
            Ok(())
        }
    }
}

pub(super) fn table(views: &[View<'_>]) -> Table {
    let mut table = output::table(["email", "name", "sub", "scopes", "state", "created"]);
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
pub(in crate::cli) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}
