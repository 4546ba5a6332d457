//! Fills the database, by the binaries' own command lines and nothing else. Every step may be repeated.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::services::Services;
use crate::checkout::Checkout;
use crate::folder;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::progress::{Step, say};
use crate::random;

/// The demo user's address.
pub const USER: &str = "demo@example.com";

/// The demo client's id.
pub const CLIENT: &str = "demo";

/// What came of it.
pub struct Provisioned {
    /// The services, with the demo client as their default if there is one.
    pub services: Services,
    /// The demo user's password, if this program made it.
    pub password: Option<String>,
}

/// Migrates and makes keys; with `demo`, also client, user and movies.
///
/// # Errors
/// When a command fails, with what it said.
pub fn provision(
    checkout: &Checkout,
    mut services: Services,
    demo: bool,
    interrupt: &Interrupt,
) -> Result<Provisioned> {
    // First of all: from then on every command is told to read it.
    key_encryption_key(&services, interrupt)?;

    let step = Step::start("Schema", "migrating");
    must(&services.auth(&["migrate"]), interrupt)?;
    step.done("up to date");

    let step = Step::start("Keys", "looking");
    signing_key(&services, interrupt)?;
    step.done("ready");

    let mut password = None;
    if demo {
        let step = Step::start("Demo data", "client");
        client(&services, interrupt)?;
        services.set_default_client(CLIENT);
        step.now("user");
        password = user(&services, interrupt)?;
        step.now("movies");
        movies(checkout, &services, interrupt)?;
        step.done("ready");
    }
    Ok(Provisioned { services, password })
}

fn key_encryption_key(services: &Services, interrupt: &Interrupt) -> Result<()> {
    if let Some(file) = &services.key_file {
        // It cannot be told to read a file that is yet to be made.
        let mut new_secret = services.auth(&["key", "new-secret"]);
        new_secret.env_remove("MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE");
        folder::kept_secret(file, || must(&new_secret, interrupt))?;
    }
    Ok(())
}

/// One, where there is none.
fn signing_key(services: &Services, interrupt: &Interrupt) -> Result<()> {
    let list = must(&services.auth(&["key", "list", "--output", "json"]), interrupt)?;
    let keys: Vec<serde_json::Value> =
        serde_json::from_str(&list).context("cannot read what `auth-server key list` says")?;
    if keys.is_empty() {
        must(&services.auth(&["key", "generate"]), interrupt)?;
    }
    Ok(())
}

fn client(services: &Services, interrupt: &Interrupt) -> Result<()> {
    if has(&services.auth(&["client", "show", CLIENT, "--output", "json"]), interrupt)? {
        return Ok(());
    }
    let mut create = services.auth(&["client", "create", CLIENT, "--public", "--name", "Demo", "--grant", "password"]);
    create.args(["--scope", "movies:read", "--scope", "profile", "--scope", "email"]);
    // Personal data stands in a token only where it is asked for.
    create.args(["--default-scope", "movies:read"]);
    must(&create, interrupt).map(drop)
}

/// The demo user. The password is kept first, so that a run that dies in between can go on with it.
fn user(services: &Services, interrupt: &Interrupt) -> Result<Option<String>> {
    let file = services.home.join("demo-password");
    if has(&services.auth(&["user", "show", USER, "--output", "json"]), interrupt)? {
        if !file.exists() {
            say(&format!("   Demo data {USER} is there already, with a password that was not made here"));
            return Ok(None);
        }
        return folder::kept_secret(&file, random::password).map(Some);
    }
    let password = folder::kept_secret(&file, random::password)?;
    let create = services.auth(&["create-user", "--name", "Demo User", "--email", USER, "--password-stdin"]);
    once::must(&create, None, &format!("{password}\n"), interrupt)?;
    Ok(Some(password))
}

/// The movies, once: a later run must not undo what somebody changed since.
fn movies(checkout: &Checkout, services: &Services, interrupt: &Interrupt) -> Result<()> {
    let done = services.home.join("movies-are-loaded");
    if done.exists() {
        return Ok(());
    }
    let mut import = services.movies(&["import"]);
    import.arg(checkout.root.join("movies-api/data/movies.csv"));
    must(&import, interrupt)?;
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))
}

/// Whether a `show` command finds what it is asked for. Another failure shows in the `create` that follows.
fn has(show: &Command, interrupt: &Interrupt) -> Result<bool> {
    Ok(once::run(show, None, "", interrupt)?.status.success())
}

fn must(command: &Command, interrupt: &Interrupt) -> Result<String> {
    once::must(command, None, "", interrupt)
}
