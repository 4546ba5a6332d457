//! `auth-server token explain`: every check of an access token by itself, so that an operator sees which one fails and by
//! how much. The token is never printed.

mod checks;
mod findings;
mod record;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::clock::Clock;
use shared::config::{Settings, Sources};
use shared::output::{OutputFormat, print_json, print_line, table};
use shared::token::keys::KeySet;
use shared::token::verifier::TOKEN_LIMIT;

use self::checks::Rules;
use self::findings::{Check, Findings, Status};
use super::Context;
use crate::config::{SECTION, SETTINGS};
use crate::keys;
use crate::resource_servers::ResourceServers;

const EXAMPLES: &str = "\
Examples:
  pbpaste | auth-server token explain -
  auth-server token explain --file token.txt --output json
  auth-server token explain - --key-file jwks.json --audience http://127.0.0.1:8000 < token.txt

With --key-file nothing else is asked: neither revocations nor whether user, client and audience are known.
A token on the command line stands in the process list and in the shell's history: prefer `-` or --file.
Exit codes: 0 good, 1 refused, 2 wrong use.";

/// The largest key file, in bytes.
const KEY_FILE_LIMIT: usize = 1024 * 1024;

/// What can be asked of tokens.
#[derive(clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum TokenCommand {
    /// Check an access token step by step and say what fails and why
    Explain(Explain),
}

/// Flags of `token explain`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Explain {
    /// The token; `-` reads standard input
    #[arg(required_unless_present = "file", conflicts_with = "file", allow_hyphen_values = true)]
    jwt: Option<String>,
    /// Read the token from a file
    #[arg(long)]
    file: Option<PathBuf>,
    /// Check against the public keys of this file (PEM or JWK Set) alone, without a database
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The issuer that it has to name, in place of MYAPI_AUTH__ISSUER
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The audience that it has to name; without it any that the database knows, or MYAPI_AUTH__AUDIENCE
    #[arg(long, value_name = "URI")]
    audience: Option<String>,
    /// Seconds that two clocks may be apart
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=300))]
    leeway: u32,
}

/// What is printed.
#[derive(Serialize)]
struct Report<'a> {
    verdict: &'static str,
    checked_at: DateTime<Utc>,
    checks: &'a [Check],
}

impl TokenCommand {
    /// Whether it needs no database.
    pub(super) const fn is_offline(&self) -> bool {
        let Self::Explain(explain) = self;
        explain.key_file.is_some()
    }
}

/// Against a key file.
pub(super) fn run_offline(command: TokenCommand, sources: &Sources, output: OutputFormat) -> anyhow::Result<()> {
    let TokenCommand::Explain(explain) = command;
    let settings = Settings::load(SECTION, SETTINGS, sources)?;
    let setting = |said: &Option<String>, name: &str| match said {
        Some(said) => Ok(said.clone()),
        None => settings.get::<String>(name),
    };
    let path = explain.key_file.as_deref().unwrap_or(Path::new(""));
    let keys = read_keys(path).with_context(|| format!("cannot use the keys of {}", path.display()))?;
    let now = Clock::system().now();
    let rules = Rules {
        issuer: setting(&explain.issuer, "MYAPI_AUTH__ISSUER")?,
        audiences: vec![setting(&explain.audience, "MYAPI_AUTH__AUDIENCE")?],
        leeway: explain.leeway,
        keys,
        now,
    };
    let mut findings = Findings::default();
    checks::check(&explain.read()?, &rules, &mut findings);
    for name in record::CHECKS {
        findings.skip(name, "not asked: --key-file leaves the database alone");
    }
    print(&findings, now, output)
}

/// Against the database.
pub(super) async fn run(command: TokenCommand, context: &Context) -> anyhow::Result<()> {
    let TokenCommand::Explain(explain) = command;
    let token = explain.read()?;
    let now = context.clock.now();
    let known = ResourceServers::new(context.pool.clone(), context.clock.clone()).list().await?;
    let rules = Rules {
        issuer: explain.issuer.clone().unwrap_or_else(|| context.config.issuer.as_str().to_owned()),
        audiences: match &explain.audience {
            Some(audience) => vec![audience.clone()],
            None => known.into_iter().map(|server| server.audience).collect(),
        },
        leeway: explain.leeway,
        keys: KeySet::from_jwks(&keys::export_jwks(&context.pool).await?.body).unwrap_or_default(),
        now,
    };
    let mut findings = Findings::default();
    match checks::check(&token, &rules, &mut findings) {
        Some(named) => record::check(context, &named, now, &mut findings).await?,
        None => {
            for name in record::CHECKS {
                findings.skip(name, "not asked: the claims cannot be read");
            }
        }
    }
    print(&findings, now, context.output)
}

impl Explain {
    /// The token without the line's end behind it. Nothing of it is in an error.
    fn read(&self) -> anyhow::Result<String> {
        let most = u64::try_from(TOKEN_LIMIT).unwrap_or(u64::MAX).saturating_mul(4);
        let mut text = String::new();
        match (&self.jwt, &self.file) {
            (Some(jwt), _) if jwt != "-" => text.clone_from(jwt),
            (_, Some(path)) => {
                let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                file.take(most).read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
            }
            _ => {
                std::io::stdin().lock().take(most).read_to_string(&mut text).context("cannot read standard input")?;
            }
        }
        Ok(text.trim().to_owned())
    }
}

fn read_keys(path: &Path) -> anyhow::Result<KeySet> {
    let mut content = Vec::new();
    let most = u64::try_from(KEY_FILE_LIMIT).unwrap_or(u64::MAX);
    std::fs::File::open(path)?.take(most).read_to_end(&mut content)?;
    if content.trim_ascii_start().starts_with(b"{") {
        return Ok(KeySet::from_jwks(&content)?);
    }
    Ok(KeySet::from_pem(std::str::from_utf8(&content).context("it is no text")?)?)
}

fn print(findings: &Findings, now: DateTime<Utc>, output: OutputFormat) -> anyhow::Result<()> {
    let failed = findings.failed();
    let verdict = if failed.is_empty() { "good" } else { "refused" };
    match output {
        OutputFormat::Json => print_json(&Report { verdict, checked_at: now, checks: &findings.checks })?,
        OutputFormat::Table => {
            let mut table = table(["check", "", "what was found"]);
            for check in &findings.checks {
                let status = match check.status {
                    Status::Ok => "ok",
                    Status::Failed => "FAILED",
                    Status::Skipped => "-",
                };
                table.add_row([check.name, status, &check.detail]);
            }
            print_line(format_args!("{table}\nThe token is {verdict}."))?;
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("the token is refused: {}", failed.join(", ")) }
}
