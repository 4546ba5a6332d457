//! `auth-server user import FILE`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use shared::cli::open_input;
use shared::output::{OutputFormat, print_json, print_line};

use super::super::Context;
use super::view::printable;
use crate::passwords::Reader;
use crate::users::import::{Format, ImportOptions, ImportReport, NoPassword, Rows, import};

const EXAMPLES: &str = "\
Examples:
  auth-server user import users.csv --dry-run
  auth-server user import users.jsonl --skip-existing
  auth-server user import realm-export.json --skip-bad --output json
  psql -c \"\\copy (select email, password as hashed_password from auth_user) to stdout csv header\" |
    auth-server user import - --format csv --dry-run

Hashes: argon2, bcrypt, PBKDF2 and scrypt as PHC strings or in the forms of passlib, Django and Keycloak. Each \
becomes Argon2id at its user's first login. Without --skip-bad one bad row leaves all as it was.";

/// Flags of `user import`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(in crate::cli) struct Import {
    /// The file: `.csv` with a header, `.jsonl`, or the `.json` of a Keycloak export; `-` is stdin
    file: PathBuf,
    /// How the file is written, where its name does not say
    #[arg(long)]
    format: Option<Format>,
    /// Import the good rows of a file that has bad ones
    #[arg(long)]
    skip_bad: bool,
    /// Pass over users whose address is there already, instead of calling their rows bad
    #[arg(long)]
    skip_existing: bool,
    /// Import users that have no password; they cannot log in before somebody sets one
    #[arg(long)]
    allow_no_password: bool,
    /// Say what would happen, and leave the database as it is
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Some(format) = self.format.or_else(|| Format::of(&self.file)) else {
            bail!("{}: of which format is it? Say --format csv, jsonl or keycloak", self.file.display());
        };
        let no_password = if self.allow_no_password { NoPassword::Allowed } else { NoPassword::Refused };
        let reader = Reader::new(&context.config.passwords)?;
        let (source, progress) = open_input(&self.file)?;
        let rows = Rows::open(progress.wrap_read(source), format, reader, no_password)
            .with_context(|| self.file.display().to_string())?;
        let mut conn = context.pool.acquire().await?;
        let options =
            ImportOptions { skips_bad: self.skip_bad, skips_existing: self.skip_existing, is_dry_run: self.dry_run };
        let result = import(&mut conn, rows, options, context.clock.now()).await;
        progress.finish_and_clear();
        let report = result.with_context(|| format!("{}: nothing was imported", self.file.display()))?;

        print_faults(&self.file, format, &report);
        match context.output {
            OutputFormat::Json => print_json(&report)?,
            OutputFormat::Table => print_line(summary(&report, options))?,
        }
        if report.is_refused(options) {
            bail!(
                "{}: nothing was imported; mend the rows above, or import the others with --skip-bad",
                self.file.display()
            );
        }
        Ok(())
    }
}

fn print_faults(file: &Path, format: Format, report: &ImportReport) {
    let file = file.display();
    // One document has no lines worth counting: its users are.
    let place = if format == Format::Keycloak { "user " } else { "" };
    for fault in &report.faults {
        let field = fault.field.unwrap_or("the row");
        eprintln!("{file}:{place}{}: {field} {}", fault.line, printable(&fault.reason));
    }
    if report.more_faults > 0 {
        eprintln!("{file}: and {} more", report.more_faults);
    }
}

fn summary(report: &ImportReport, options: ImportOptions) -> String {
    let ImportReport { rows, inserted, existing, skipped, kinds, .. } = report;
    if report.is_refused(options) {
        return format!("{rows} rows read, {skipped} bad: nothing imported");
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!("; hashes: {}", kinds.join(", ")) };
    let would = if report.is_written { "" } else { " (dry run: nothing was written)" };
    format!("{rows} rows read: {inserted} inserted, {existing} existing, {skipped} skipped{kinds}{would}")
}
