//! `client apply`: the clients of a file.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::Value;
use shared::output::{OutputFormat, print_json, print_line};

use super::super::Context;
use super::file::File;
use super::print::KEEP_IT;
use crate::clients::{Action, Apply, Change, ClientError, Clients, Plan};

const EXAMPLES: &str = "\
Examples:
  auth-server client apply clients.toml --dry-run
  auth-server client apply clients.toml --prune --output json

clients.toml:
  [clients.web]
  kind = \"public\"
  grants = [\"password\", \"refresh_token\"]
  scopes = [\"movies:read\"]

  [clients.jobs]
  grants = [\"client_credentials\"]
  scopes = [\"movies:write\"]
  secret_hashes = [\"sha256:...\"]

Fields are named as `client show --output json` names them. Without secret_hashes a new confidential client gets a secret,
printed once; with them (`client new-secret` makes a pair) its secrets are exactly those, two at most.";

/// The largest file that is read, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Flags of `client apply`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(in crate::cli) struct ApplyFile {
    /// The TOML file; `-` reads standard input
    file: PathBuf,
    /// Print what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete clients that the file does not have
    #[arg(long)]
    prune: bool,
}

impl ApplyFile {
    pub(super) async fn run(self, clients: &Clients, context: &Context) -> anyhow::Result<()> {
        let path = self.file.display().to_string();
        let text = self.read().with_context(|| format!("cannot read {path}"))?;
        let file = File::parse(&text, &context.config.audience).map_err(|error| anyhow::anyhow!("{path}: {error}"))?;
        if self.prune && file.clients.is_empty() {
            bail!(
                "{path} has no client: with --prune every client would be deleted, which `client delete` does one by one"
            );
        }
        let how = Apply { dry_run: self.dry_run, prune: self.prune };
        let plan = clients.apply(file.clients.clone(), how).await.map_err(|error| located(&path, &file, error))?;
        print(&plan, context.output)
    }

    fn read(&self) -> std::io::Result<String> {
        let mut text = String::new();
        let read = match self.file.as_os_str() == "-" {
            true => std::io::stdin().lock().take(LIMIT + 1).read_to_string(&mut text)?,
            false => std::fs::File::open(&self.file)?.take(LIMIT + 1).read_to_string(&mut text)?,
        };
        if read as u64 > LIMIT {
            return Err(std::io::Error::other("it is larger than 4 MiB"));
        }
        Ok(text)
    }
}

/// The error with the line of what it speaks of.
fn located(path: &str, file: &File, error: ClientError) -> anyhow::Error {
    let line = match &error {
        ClientError::Rule { client_id, broken } => file.line(client_id, broken.field),
        ClientError::Kind { client_id, .. } => file.line(client_id, "kind"),
        ClientError::Taken(client_id) | ClientError::Unknown(client_id) | ClientError::NoSecret(client_id) => {
            file.line(client_id, "")
        }
        ClientError::Randomness(_) | ClientError::Internal(_) => None,
    };
    match line {
        Some(line) => anyhow::anyhow!("{path}: line {line}: {error}"),
        None => error.into(),
    }
}

fn print(plan: &Plan, output: OutputFormat) -> anyhow::Result<()> {
    let printed = match output {
        OutputFormat::Json => print_json(plan),
        OutputFormat::Table => print_line(difference(plan).trim_end()),
    };
    let has_secrets = plan.changes.iter().any(|change| change.client_secret.is_some());
    if has_secrets {
        printed
            .context("the clients are stored, but nobody saw their secrets: `client rotate-secret` makes new ones")?;
    } else {
        printed?;
    }
    if output == OutputFormat::Table {
        if has_secrets {
            eprintln!("{}", KEEP_IT.replace("the secret", "the secrets").replace("it is", "they are"));
        }
        if !plan.not_described.is_empty() {
            let ids: Vec<_> = plan.not_described.iter().map(|id| id.as_str()).collect();
            eprintln!("Not in the file, and left alone without --prune: {}", ids.join(", "));
        }
    }
    Ok(())
}

/// The plan as people read it.
fn difference(plan: &Plan) -> String {
    if plan.changes.is_empty() {
        return "Nothing to do.".to_owned();
    }
    let mut text = String::new();
    for change in &plan.changes {
        describe(&mut text, change);
    }
    let count = |action| plan.changes.iter().filter(|change| change.action == action).count();
    let (created, updated, deleted) = (count(Action::Create), count(Action::Update), count(Action::Delete));
    let _ = match plan.applied {
        true => write!(text, "{created} created, {updated} updated, {deleted} deleted."),
        false => write!(text, "{created} to create, {updated} to update, {deleted} to delete; nothing was changed."),
    };
    text
}

fn describe(text: &mut String, change: &Change) {
    let sign = match change.action {
        Action::Create => '+',
        Action::Update => '~',
        Action::Delete => '-',
    };
    // Writing into a text does not fail.
    let _ = writeln!(text, "{sign} {}", change.client_id);
    for field in &change.fields {
        let _ = match (&field.from, &field.to) {
            (Value::Null, to) => writeln!(text, "    {:<26} {to}", field.field),
            (from, to) => writeln!(text, "    {:<26} {from} -> {to}", field.field),
        };
    }
    if let Some(secret) = &change.client_secret {
        let _ = writeln!(text, "    {:<26} {secret}", "client_secret");
    }
}
