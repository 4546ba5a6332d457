//! `auth-server key rotate|status|retire|revoke`.

use std::time::Duration;

use anyhow::bail;
use chrono::{DateTime, Utc};
use serde_json::json;
use shared::output::{OutputFormat, print_json, print_line, table};
use uuid::Uuid;

use super::{Context, keks, print_changed};
use crate::audit::{self, Event, Kind};
use crate::keys::{self, Gate, Laggard, Status, Waiting};
use crate::resource_servers;

/// Between two looks at the gate.
const POLL: Duration = Duration::from_secs(1);

/// Flags of `key rotate`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Rotate {
    /// Seconds to wait for the new key to be published long enough and for every resource server to hold it
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    wait: u64,
    /// Sign with the new key at once: whoever does not hold it refuses its tokens
    #[arg(long)]
    force: bool,
}

impl Rotate {
    /// Makes a next key where there is none, waits for its gate, and lets it sign.
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let (schedule, keks) = (context.config.key_schedule(), keks(context)?);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(self.wait);
        let mut told = None;
        loop {
            let rotation = keys::rotate(&context.pool, &keks, schedule, self.force, context.clock.now()).await?;
            let Some(waiting) = rotation.next else {
                return match &rotation.changed {
                    Some(changed) => print_changed(changed, context.output),
                    None => bail!("no key was there to rotate to"),
                };
            };
            if told.as_ref() != Some(&waiting.gate) {
                eprintln!("{}", explain(&waiting));
                told = Some(waiting.gate.clone());
            }
            if tokio::time::Instant::now() >= deadline {
                bail!(
                    "{}; it stays published, and `key rotate` goes on from here (`--force` does not wait)",
                    explain(&waiting)
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// What a key waits for, in words.
fn explain(waiting: &Waiting) -> String {
    let kid = &waiting.kid;
    match &waiting.gate {
        Gate::Open => format!("signing key {kid} may sign"),
        Gate::Young { until } => format!("signing key {kid} is published and may sign from {}", time(*until)),
        Gate::Waiting { laggards } => {
            let names: Vec<String> = laggards.iter().map(name).collect();
            format!("signing key {kid} waits for resource servers that do not hold it: {}", names.join(", "))
        }
    }
}

fn name(laggard: &Laggard) -> String {
    let Laggard { report, since } = laggard;
    let last = report.silent_for;
    let why = if report.source == "file" { "reads a file" } else { "reads the JWK Set by URL" };
    format!(
        "{} ({}, {why}, lacks it since {}, last seen {last} s ago)",
        report.instance,
        report.reported_by,
        time(*since)
    )
}

pub(super) async fn status(context: &Context) -> anyhow::Result<()> {
    let status = keys::status(&context.pool, context.config.key_schedule(), context.clock.now()).await?;
    if context.output == OutputFormat::Json {
        return Ok(print_json(&status)?);
    }
    print_status(&status)
}

fn print_status(status: &Status) -> anyhow::Result<()> {
    let mut listed = table(["kid", "alg", "state", "since"]);
    for key in &status.keys {
        let since = key.revoked_at.or(key.retired_at).or(key.activated_at).unwrap_or(key.created_at);
        listed.add_row([key.kid.clone(), key.alg.to_string(), key.state.as_str().to_owned(), time(since)]);
    }
    print_line(&listed)?;
    if let Some(waiting) = &status.next {
        print_line(format_args!("\n{}", explain(waiting)))?;
    }
    if status.resource_servers.is_empty() {
        return Ok(print_line("\nNo resource server has reported: nobody is waited for.")?);
    }
    let mut servers = table(["instance", "user", "keys from", "last seen", "state", "lacks", "feed read"]);
    for server in &status.resource_servers {
        let report = &server.report;
        servers.add_row([
            report.instance.to_string(),
            report.reported_by.clone(),
            report.source.clone(),
            format!("{} s ago", report.silent_for),
            (if server.is_live { "live" } else { "silent" }).to_owned(),
            if server.lacks.is_empty() { "-".to_owned() } else { server.lacks.join(" ") },
            format!("{} of {}", report.feed_seq, status.feed_seq),
        ]);
    }
    Ok(print_line(format_args!("\n{servers}"))?)
}

pub(super) async fn retire(context: &Context, kid: &str) -> anyhow::Result<()> {
    keys::retire(&context.pool, kid).await?;
    match context.output {
        OutputFormat::Json => Ok(print_json(&json!({ "kid": kid, "done": "taken back" }))?),
        OutputFormat::Table => Ok(print_line(format_args!("signing key {kid} is taken back: it has never signed"))?),
    }
}

pub(super) async fn revoke(context: &Context, kid: &str) -> anyhow::Result<()> {
    let revoked = keys::revoke(&context.pool, &keks(context)?, kid, context.clock.now()).await?;
    if let Some(active) = &revoked.active {
        tracing::warn!(key.kid = active.key.kid, "this key signs from now on, however long it was published");
    }
    match context.output {
        OutputFormat::Json => Ok(print_json(&revoked)?),
        OutputFormat::Table => Ok(print_line(format_args!(
            "signing key {kid} is revoked: everything that it signed is dead as soon as resource servers have read the \
             feed. Refresh tokens live on and give tokens of another key."
        ))?),
    }
}

pub(super) async fn forget(context: &Context, instance: Uuid) -> anyhow::Result<()> {
    let mut conn = context.pool.acquire().await?;
    if !resource_servers::forget(&mut conn, instance).await? {
        bail!("no resource server reports as {instance}: see `auth-server key status`");
    }
    audit::note(Event::ok(Kind::InstanceForgotten).detail(instance));
    match context.output {
        OutputFormat::Json => Ok(print_json(&json!({ "instance": instance, "done": "forgotten" }))?),
        OutputFormat::Table => Ok(print_line(format_args!("{instance} is forgotten; it comes back if it reports"))?),
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
