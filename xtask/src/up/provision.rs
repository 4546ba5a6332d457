//! Fills the database, by the binaries' own command lines and nothing else. Every step may be repeated.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::addresses::{self, Addresses};
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

/// The id of the demo client that asks for itself.
pub const SERVICE: &str = "demo-service";

/// Where a native application of one's own may have the demo client's codes sent, on any port (RFC 8252 section 7.3).
pub const CALLBACK: &str = "http://127.0.0.1/callback";

/// What came of it.
pub struct Provisioned {
    /// The services, with the demo client as their default if there is one.
    pub services: Services,
    /// The demo user's password, if this program made it.
    pub password: Option<String>,
    /// The secret of the confidential demo client.
    pub secret: Option<String>,
}

/// Migrates and makes keys; with `demo`, also clients, user and movies.
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

    let (mut password, mut secret) = (None, None);
    if demo {
        let step = Step::start("Demo data", "clients");
        secret = Some(clients(&services, interrupt)?);
        services.set_default_client(CLIENT);
        step.now("user");
        password = user(&services, interrupt)?;
        step.now("movies");
        movies(checkout, &services, interrupt)?;
        step.done("ready");
    }
    Ok(Provisioned { services, password, secret })
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

/// The demo clients, by a file that may be applied again and again: a public one for people, a confidential one for
/// itself, whose secret is kept in the folder.
fn clients(services: &Services, interrupt: &Interrupt) -> Result<String> {
    let made = folder::kept_secret(&services.home.join("demo-service-secret"), || {
        must(&services.auth(&["client", "new-secret", "--output", "json"]), interrupt)
    })?;
    let made: serde_json::Value =
        serde_json::from_str(&made).context("cannot read what `auth-server client new-secret` says")?;
    let list = must(&services.auth(&["resource", "list", "--output", "json"]), interrupt)?;
    let resources: Vec<serde_json::Value> =
        serde_json::from_str(&list).context("cannot read what `auth-server resource list` says")?;
    let movies = resources.iter().find(|resource| member(resource, "name").is_ok_and(|name| name == "movies"));
    let audience = member(movies.context("no resource server is called movies")?, "audience")?;
    let file = services.home.join("demo-clients.toml");
    let redirect_uris = redirect_uris(&services.addresses).join("\", \"");
    let text = format!(
        r#"[clients.{CLIENT}]
name = "Demo"
kind = "public"
application_type = "native"
grants = ["authorization_code", "password", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]
# The two pages of documentation, whose Authorize button signs people in, and an application of one's own.
redirect_uris = ["{redirect_uris}"]
# The page of movies-api asks for both of its scopes; to change movies the user needs `user set-scopes` besides.
scopes = ["movies:read", "movies:write", "openid", "profile", "email"]
# Personal data stands in a token only where it is asked for.
default_scopes = ["movies:read"]

[clients.{SERVICE}]
name = "Demo service"
kind = "confidential"
grants = ["client_credentials"]
scopes = ["movies:read"]
serves = "{audience}"
secret_hashes = ["{}"]
"#,
        member(&made, "secret_hash")?
    );
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    let mut apply = services.auth(&["client", "apply"]);
    apply.arg(&file);
    must(&apply, interrupt)?;
    member(&made, "client_secret").map(str::to_owned)
}

/// Plain http comes back to loopback alone, so on another address the page's Authorize button has the password grant only.
fn redirect_uris(addresses: &Addresses) -> Vec<String> {
    let urls = [addresses.movies, addresses.auth].map(addresses::url);
    let is_loopback = |url: &String| url.starts_with("http://127.0.0.1:") || url.starts_with("http://[::1]:");
    let pages = urls.into_iter().filter(is_loopback).map(|url| format!("{url}/docs/oauth2-redirect.html"));
    pages.chain([CALLBACK.to_owned()]).collect()
}

/// A member of what a command says as JSON.
fn member<'a>(value: &'a serde_json::Value, name: &str) -> Result<&'a str> {
    value.get(name).and_then(|member| member.as_str()).with_context(|| format!("auth-server says no `{name}`"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn only_loopback_pages_are_redirect_uris() {
        let uris = |pairs: &[(&str, &str)]| redirect_uris(&Addresses::read(&Environment::of(pairs)).unwrap());
        let (auth, movies) =
            ("http://127.0.0.1:8001/docs/oauth2-redirect.html", "http://127.0.0.1:8000/docs/oauth2-redirect.html");
        assert_eq!(uris(&[]), [movies, auth, CALLBACK]);
        assert_eq!(uris(&[("MYAPI_MOVIES__BIND", "192.168.0.2:80")]), [auth, CALLBACK]);
        assert_eq!(uris(&[("MYAPI_MOVIES__BIND", "0.0.0.0:8000")]), [movies, auth, CALLBACK]);
    }
}
