//! `auth-server doctor`.

use shared::cli::{Examination, fetch_json};

use super::Context;
use crate::keys::{self, KekRing, KeyState, SigningKeys};
use crate::resource_servers::ResourceServers;
use crate::routes;

/// What the serving role has to be allowed.
const RIGHTS: &[(&str, &str)] = &[
    ("myapi.users", "update"),
    ("myapi.clients", "select"),
    ("myapi.signing_keys", "select"),
    ("myapi.refresh_tokens", "insert"),
    ("myapi.families", "update"),
    ("myapi.revocations", "insert"),
    ("myapi.throttle", "update"),
    ("myapi.audit_events", "insert"),
];
/// A key that signs for longer is worth a note.
const OLD_KEY_DAYS: i64 = 180;

/// Looks at everything that `serve` needs, and changes nothing.
pub(super) async fn run(context: &Context) -> anyhow::Result<()> {
    let mut report = Examination::default();
    let keks = settings(&mut report, context);
    let database = &context.config.common.database;
    let conn = report.database(database, "auth-server", RIGHTS, &context.clock).await;
    if conn.is_some() {
        report.pooler(database, context.config.common.direct.as_ref()).await;
        let looked = async {
            signing_keys(&mut report, context, keks).await?;
            rows(&mut report, context).await
        };
        if let Err(error) = looked.await {
            report.wrong("database", format!("it gave no answer: {error:#}"));
        }
    }
    issuer(&mut report, context).await;
    Ok(report.print(context.output)?)
}

/// What can be seen without asking anybody.
fn settings(report: &mut Examination, context: &Context) -> Option<KekRing> {
    let config = &context.config;
    for notice in &config.notices {
        report.note("settings", notice.as_str());
    }
    if config.issuer.is_https() && config.trusted_proxies.is_empty() {
        report.wrong(
            "proxies",
            "the issuer is https, so a proxy stands in front, and MYAPI_AUTH__TRUSTED_PROXIES does not name it: all \
             clients share its limits of failed logins",
        );
    } else {
        report.ok("proxies", if config.trusted_proxies.is_empty() { "none, and none needed" } else { "named" });
    }
    match config.key_ring() {
        Ok(keks) => Some(keks),
        Err(error) => {
            report.wrong("key ring", error.to_string());
            None
        }
    }
}

async fn signing_keys(report: &mut Examination, context: &Context, keks: Option<KekRing>) -> anyhow::Result<()> {
    let listed = keys::list(&context.pool).await?;
    if let Some(keks) = keks {
        let is_used = |id: &str| listed.iter().any(|key| key.kek_id == id);
        match keks.iter().skip(1).filter(|kek| !is_used(kek.id())).count() {
            0 => report.ok("key ring", format!("key encryption key {}", keks.current().id())),
            unused => report.note(
                "key ring",
                format!(
                    "{unused} of MYAPI_AUTH__KEY_ENCRYPTION_KEY_PREVIOUS open no signing key any more: take them away when \
                     the last known device and retry window under them has gone (90 days)"
                ),
            ),
        }
        match SigningKeys::load(context.pool.clone(), keks).await {
            Ok(keys) => report.ok("keys", format!("{} signs, and every key opens", keys.active_kid())),
            Err(error) => report.wrong("keys", error.to_string()),
        }
    }
    let now = context.clock.now();
    if let Some(since) = listed.iter().find(|key| key.state == KeyState::Active).and_then(|key| key.activated_at) {
        match (now - since).num_days() {
            days @ ..=OLD_KEY_DAYS => report.ok("key age", format!("{days} days")),
            days => {
                report.note("key age", format!("{days} days: `auth-server key rotate`, or MYAPI_AUTH__KEY_ROTATION"))
            }
        }
    }
    let status = keys::status(&context.pool, context.config.key_schedule(), now).await?;
    let live: Vec<_> = status.resource_servers.iter().filter(|server| server.is_live).collect();
    let lagging: Vec<String> = live
        .iter()
        .filter(|server| !server.lacks.is_empty())
        .map(|server| server.report.instance.to_string())
        .collect();
    match lagging.is_empty() {
        true if live.is_empty() => report.note("holders", "no resource server reports which keys it holds"),
        true => report.ok("holders", format!("{} resource servers hold every published key", live.len())),
        false => report.wrong(
            "holders",
            format!("{} lack a published key: `auth-server key status` says which, and where from", lagging.join(", ")),
        ),
    }
    Ok(())
}

/// Settings that name rows.
async fn rows(report: &mut Examination, context: &Context) -> anyhow::Result<()> {
    let config = &context.config;
    let resource_servers = ResourceServers::new(context.pool.clone(), context.clock.clone());
    let known: Vec<String> = resource_servers.list().await?.into_iter().map(|server| server.audience).collect();
    if known.contains(&config.audience) {
        report.ok("audience", config.audience.as_str());
    } else {
        report.wrong(
            "audience",
            format!(
                "MYAPI_AUTH__AUDIENCE is {}, and registered are {}: set one of them, or `auth-server resource set-audience`",
                config.audience,
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ),
        );
    }
    let clients = crate::clients::Clients::new(
        context.pool.clone(),
        context.clock.clone(),
        resource_servers,
        config.refresh.absolute,
    );
    let ids = clients.list().await?;
    match &config.default_client {
        None => report.ok("clients", format!("{} are registered", ids.len())),
        Some(default) => match ids.iter().find(|client| client.client_id == *default) {
            None => report.wrong(
                "clients",
                format!(
                    "MYAPI_AUTH__DEFAULT_CLIENT is {default}, which is not registered: `auth-server client create`"
                ),
            ),
            Some(client) if client.disabled_at.is_some() => report.wrong(
                "clients",
                format!(
                    "MYAPI_AUTH__DEFAULT_CLIENT is {default}, which is disabled: `auth-server client enable {default}`"
                ),
            ),
            Some(_) => report.ok("clients", format!("{} are registered, the default client among them", ids.len())),
        },
    }
    Ok(())
}

async fn issuer(report: &mut Examination, context: &Context) {
    let issuer = &context.config.issuer;
    // RFC 8414 section 3.1: the well-known path stands between the host and the issuer's own path.
    let origin = issuer.url().origin().ascii_serialization();
    let url = format!("{origin}{}{}", routes::METADATA, issuer.path());
    match fetch_json(&url).await {
        Ok(metadata) if metadata.get("issuer").and_then(|found| found.as_str()) == Some(issuer.as_str()) => {
            report.ok("issuer", format!("{url} answers as {}", issuer.as_str()));
        }
        Ok(metadata) => report.wrong(
            "issuer",
            format!(
                "{url} answers as {}: another server, or another MYAPI_AUTH__ISSUER there",
                metadata.get("issuer").map_or_else(|| "nobody".to_owned(), ToString::to_string)
            ),
        ),
        Err(error) => report
            .wrong("issuer", format!("{url}: {error}; start `auth-server serve`, and let the proxy pass this path on")),
    }
}
