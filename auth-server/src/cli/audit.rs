//! `auth-server audit`.

use std::fs;
use std::io::{BufWriter, Write as _, stdout};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use shared::db::DbError;
use shared::output::{OutputFormat, print_json, print_line, table};

use super::Context;
use crate::audit::{self, Filter, Kind, Outcome, Row, Verified};
use crate::keys;

const EXAMPLES: &str = "\
Examples:
  auth-server audit list --since 24h --outcome refused
  auth-server audit list --event login --subject f3e86276-7b30-4510-8d40-689dd3c3bb7d --output json
  auth-server audit verify
  auth-server audit export --since 2026-11-01 | gzip > audit.ndjson.gz";

/// What can be asked of the audit log.
#[derive(clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum AuditCommand {
    /// List what happened, the newest first
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Find what was edited, taken out, moved or cut off; exit code 1 when something was
    Verify {
        /// Also hold it against the checkpoints in this file, one a line, as the server's log has them
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Write what happened to stdout as JSON lines, the oldest first, with the hashes of the chains
    Export {
        #[command(flatten)]
        which: Which,
    },
}

/// Flags that choose rows.
#[derive(clap::Args)]
pub(super) struct Which {
    /// From this time on: 2026-11-22, 2026-11-22T19:00:00Z, or how long ago, such as 30m, 24h or 7d
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Before this time, written likewise
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Of this kind
    #[arg(long, value_name = "EVENT")]
    event: Option<Kind>,
    /// That ended so: ok, refused, throttled or failed
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<Outcome>,
    /// About the user with this sub
    #[arg(long, value_name = "SUB")]
    subject: Option<String>,
    /// About or through this client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
}

/// A time, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

impl std::str::FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it is a date, an RFC 3339 time, or a number with s, m, h or d behind it";
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::At(date.and_time(NaiveTime::MIN).and_utc()));
        }
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(FORM)?;
        let number = number.parse::<u32>().map_err(|_| FORM)?;
        let unit = match unit {
            "s" => TimeDelta::seconds(1),
            "m" => TimeDelta::minutes(1),
            "h" => TimeDelta::hours(1),
            "d" => TimeDelta::days(1),
            _ => return Err(FORM),
        };
        i32::try_from(number).ok().and_then(|number| unit.checked_mul(number)).map(Self::Ago).ok_or(FORM)
    }
}

impl Moment {
    fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub_signed(ago).unwrap_or(DateTime::UNIX_EPOCH),
        }
    }
}

impl Which {
    fn filter(self, now: DateTime<Utc>) -> Filter {
        Filter {
            since: self.since.map(|since| since.before(now)),
            until: self.until.map(|until| until.before(now)),
            event: self.event,
            outcome: self.outcome,
            subject: self.subject,
            client_id: self.client,
        }
    }
}

impl AuditCommand {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let now = context.clock.now();
        match self {
            Self::List { which, limit } => list(context, &which.filter(now), limit).await,
            Self::Verify { against } => verify(context, against).await,
            Self::Export { which } => export(context, &which.filter(now)).await,
        }
    }
}

async fn list(context: &Context, filter: &Filter, limit: u32) -> anyhow::Result<()> {
    let mut conn = context.pool.acquire().await.map_err(DbError::from)?;
    let page = audit::list(&mut conn, filter, limit).await?;
    match context.output {
        OutputFormat::Json => print_json(&page.rows)?,
        OutputFormat::Table => {
            let mut table = table(["time", "event", "outcome", "client", "subject", "address", "actor", "what"]);
            for row in &page.rows {
                table.add_row(cells(row));
            }
            print_line(&table)?;
        }
    }
    if page.has_more {
        eprintln!("There are more: narrow it down, or raise --limit.");
    }
    Ok(())
}

fn cells(row: &Row) -> [String; 8] {
    let what = [row.reason.as_deref(), row.detail.as_deref()];
    [
        row.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        row.event.clone(),
        row.outcome.clone(),
        row.client_id.clone().unwrap_or_default(),
        row.subject.clone().unwrap_or_default(),
        row.address.clone().unwrap_or_default(),
        row.actor.clone(),
        what.into_iter().flatten().collect::<Vec<_>>().join("; "),
    ]
}

async fn export(context: &Context, filter: &Filter) -> anyhow::Result<()> {
    let mut conn = context.pool.acquire().await.map_err(DbError::from)?;
    let mut out = BufWriter::new(stdout().lock());
    audit::for_each(&mut conn, filter, |row| {
        serde_json::to_writer(&mut out, row).map_err(std::io::Error::from)?;
        Ok::<_, anyhow::Error>(out.write_all(b"\n")?)
    })
    .await?;
    Ok(out.flush()?)
}

async fn verify(context: &Context, against: Option<PathBuf>) -> anyhow::Result<()> {
    let kept = match against {
        Some(path) => {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(checkpoint_of).collect()
        }
        None => Vec::new(),
    };
    let keks = context.config.key_encryption_key.is_some().then(|| context.config.key_ring()).transpose()?;
    let public = keys::list_public(&context.pool).await?;
    let mut conn = context.pool.acquire().await.map_err(DbError::from)?;
    let verified = audit::verify(&mut conn, public, keks.as_ref(), &kept).await?;
    match context.output {
        OutputFormat::Json => print_json(&verified)?,
        OutputFormat::Table => print_verified(&verified)?,
    }
    match verified.findings.len() {
        0 => Ok(()),
        1 => bail!("the audit log was tampered with: 1 finding"),
        many => bail!("the audit log was tampered with: {many} findings"),
    }
}

/// A line of the server's log, or the checkpoint alone.
fn checkpoint_of(line: &str) -> String {
    let logged = serde_json::from_str::<serde_json::Value>(line).ok();
    let logged = logged.and_then(|line| line.get("audit.checkpoint")?.as_str().map(str::to_owned));
    logged.unwrap_or_else(|| line.to_owned())
}

fn print_verified(verified: &Verified) -> anyhow::Result<()> {
    let Verified { writers, events, checkpoints, unproven, unwitnessed, findings } = verified;
    for finding in findings {
        let writer = finding.writer.map_or_else(String::new, |writer| format!("{writer} "));
        let seq = finding.seq.map_or_else(String::new, |seq| format!("{seq} "));
        print_line(format_args!("{:<10} {writer}{seq}{}", finding.fault, finding.text))?;
    }
    print_line(format_args!(
        "{events} events of {writers} writers, {checkpoints} checkpoints: {} findings",
        findings.len()
    ))?;
    if *unwitnessed > 0 {
        print_line(format_args!("{unwitnessed} events are younger than the last checkpoint of their writer."))?;
    }
    if *unproven > 0 {
        print_line(format_args!(
            "{unproven} checkpoints are of keys that are gone: set MYAPI_AUTH__KEY_ENCRYPTION_KEY to prove them."
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_moments_or_how_long_ago() {
        let at = |text: &str| {
            text.parse::<Moment>()
                .map(|moment| moment.before(DateTime::from_timestamp(864_000, 0).unwrap()).timestamp())
        };
        assert_eq!(at("1970-01-03"), Ok(172_800));
        assert_eq!(at("1970-01-03T01:00:00+01:00"), Ok(172_800));
        assert_eq!((at("24h"), at("9d"), at("30s")), (Ok(777_600), Ok(86_400), Ok(863_970)));
        for bad in ["", "d", "-1d", "yesterday", "99999999999d", "1970-01"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_checkpoint_is_found_in_its_line_of_the_log() {
        assert_eq!(checkpoint_of("a.b.c"), "a.b.c");
        assert_eq!(checkpoint_of(r#"{"message":"audit checkpoint","audit.checkpoint":"a.b.c"}"#), "a.b.c");
    }
}
