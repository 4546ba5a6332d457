//! What the commands print of clients.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::output::{OutputFormat, print_json, print_line, table};

use crate::clients::{Client, ClientId, ClientKeys, KnownSecret, Rotated};

#[derive(Serialize)]
struct Registered<'a> {
    client_id: &'a ClientId,
    client_secret: Option<&'a str>,
    /// Until when the older secret is good, after a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    older_secret_expires_at: Option<DateTime<Utc>>,
}

pub(super) fn registered(output: OutputFormat, client_id: &ClientId, secret: Option<&str>) -> anyhow::Result<()> {
    print_secret(output, &Registered { client_id, client_secret: secret, older_secret_expires_at: None })
}

pub(super) fn rotated(output: OutputFormat, client_id: &ClientId, rotated: &Rotated) -> anyhow::Result<()> {
    let secret = Some(rotated.secret.expose());
    let printed = Registered { client_id, client_secret: secret, older_secret_expires_at: rotated.older_expires_at };
    print_secret(output, &printed)
}

fn print_secret(output: OutputFormat, registered: &Registered<'_>) -> anyhow::Result<()> {
    let client_id = registered.client_id;
    let printed = match (output, registered.client_secret) {
        (OutputFormat::Json, _) => print_json(registered),
        (OutputFormat::Table, None) => print_line(format_args!("client_id      {client_id}")),
        (OutputFormat::Table, Some(secret)) => {
            print_line(format_args!("client_id      {client_id}\nclient_secret  {secret}"))
        }
    };
    printed.with_context(|| unseen(client_id))?;
    if output == OutputFormat::Table && registered.client_secret.is_some() {
        eprintln!("{KEEP_IT}");
        if let Some(end) = registered.older_secret_expires_at {
            eprintln!("The older secret is good until {}; `--now` ends it at once.", time(end));
        }
    }
    Ok(())
}

/// What an operator hears beside a secret.
pub(super) const KEEP_IT: &str = "Keep the secret now: it is not stored and cannot be shown again.";

/// What went wrong when a secret was stored and its output failed.
pub(super) fn unseen(client_id: &ClientId) -> String {
    format!("`{client_id}` is stored, but nobody saw the answer: `client rotate-secret` makes a new secret")
}

pub(super) fn done(output: OutputFormat, what: &str, client_id: &ClientId) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        return Ok(print_json(&serde_json::json!({ "client_id": client_id, "done": what }))?);
    }
    Ok(print_line(format_args!("{client_id} {what}"))?)
}

#[derive(Serialize)]
struct Everything<'a> {
    #[serde(flatten)]
    client: &'a Client,
    secrets: &'a [KnownSecret],
}

pub(super) fn show(client: &Client, secrets: &[KnownSecret], output: OutputFormat) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        return Ok(print_json(&Everything { client, secrets })?);
    }
    let mut table = table(["field", "value"]);
    let seconds = |ttl: Option<std::time::Duration>| match ttl {
        Some(ttl) => format!("{} s", ttl.as_secs()),
        None => "by the setting".to_owned(),
    };
    let lives = client.lifetimes;
    let rows = [
        ("client_id", client.client_id.to_string()),
        ("name", client.name.clone()),
        ("kind", client.kind.as_str().to_owned()),
        ("grants", grants(client)),
        ("scopes", client.scopes.to_string()),
        ("default_scopes", client.default_scopes.to_string()),
        ("audience", client.audience.clone()),
        ("audiences", client.audiences.join("\n")),
        ("serves", client.serves.clone().unwrap_or_default()),
        ("application_type", client.application_type.as_str().to_owned()),
        ("redirect_uris", client.redirect_uris.join("\n")),
        ("post_logout_redirect_uris", client.post_logout_redirect_uris.join("\n")),
        ("skips_consent", client.skips_consent.to_string()),
        ("require_pushed_authorization_requests", client.require_pushed_authorization_requests.to_string()),
        ("dpop_bound_access_tokens", client.dpop_bound_access_tokens.to_string()),
        ("token_endpoint_auth_method", client.authentication.method.as_str().to_owned()),
        ("jwks", client.authentication.jwks.as_ref().map(kids).unwrap_or_default()),
        ("jwks_uri", client.authentication.jwks_uri.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("access_token_ttl", seconds(lives.access_token)),
        ("refresh_token_idle_ttl", seconds(lives.refresh_idle)),
        ("refresh_token_ttl", seconds(lives.refresh_absolute)),
        ("refresh_retry_window", seconds(lives.retry_window)),
        ("client_version", client.client_version.to_string()),
        ("created", time(client.created_at)),
        ("state", client.disabled_at.map_or_else(|| "enabled".to_owned(), |at| format!("disabled since {}", time(at)))),
        ("secrets", secrets.iter().map(secret).collect::<Vec<_>>().join("\n")),
    ];
    for (field, value) in rows {
        table.add_row([field, &value]);
    }
    Ok(print_line(&table)?)
}

/// What people compare; the keys themselves are in the JSON.
fn kids(keys: &ClientKeys) -> String {
    keys.set().to_jwks().keys().iter().map(|key| format!("{} {}", key.alg, key.kid)).collect::<Vec<_>>().join("\n")
}

fn secret(known: &KnownSecret) -> String {
    let end = known.expires_at.map_or_else(String::new, |end| format!(", good until {}", time(end)));
    format!("{} of {}{end}", known.secret_hash, time(known.created_at))
}

pub(super) fn list(clients: &[Client], output: OutputFormat) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        return Ok(print_json(&clients)?);
    }
    let mut table = table(["client_id", "name", "kind", "grants", "scopes", "audience", "state"]);
    for client in clients {
        let state = if client.disabled_at.is_some() { "disabled" } else { "enabled" };
        table.add_row([
            client.client_id.as_str(),
            &client.name,
            client.kind.as_str(),
            &grants(client),
            &client.scopes.to_string(),
            &client.audience,
            state,
        ]);
    }
    Ok(print_line(&table)?)
}

fn grants(client: &Client) -> String {
    client.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" ")
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%F %T UTC").to_string()
}
