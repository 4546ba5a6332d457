//! `movies-api import FILE`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use shared::cli::open_input;
use shared::config::Sources;
use shared::output::{OutputFormat, print_json, print_line};

use crate::movies::files::{Format, Rows, Unknowns};
use crate::movies::import::{ImportOptions, ImportReport, import};

const EXAMPLES: &str = "\
Examples:
  movies-api import movies.csv --dry-run
  movies-api import movies.jsonl --skip-bad --output json
  zcat movies.csv.gz | movies-api import - --format csv

A film whose movie_id is there already is updated. Without --skip-bad one bad row leaves all as it was.";

/// Flags of `import`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Import {
    /// The file: `.csv` with the header movie_id,title,released,rating, or `.jsonl`; `-` is stdin
    file: PathBuf,
    /// How the file is written, where its name does not say
    #[arg(long)]
    format: Option<Format>,
    /// Import the good rows of a file that has bad ones
    #[arg(long)]
    skip_bad: bool,
    /// Say what would happen, and leave the database as it is
    #[arg(long)]
    dry_run: bool,
    /// Take an empty field (in JSON: null) of title, released or rating as unknown, instead of as an error
    #[arg(long)]
    allow_unknown: bool,
}

impl Import {
    pub(super) async fn run(self, sources: &Sources, output: OutputFormat) -> anyhow::Result<()> {
        let Self { file, format, skip_bad, dry_run, allow_unknown } = self;
        let Some(format) = format.or_else(|| Format::of(&file)) else {
            bail!("{}: is it CSV or JSON lines? Say --format csv or --format jsonl", file.display());
        };
        let (reader, progress) = open_input(&file)?;
        let unknowns = if allow_unknown { Unknowns::Allowed } else { Unknowns::Refused };
        let rows =
            Rows::open(progress.wrap_read(reader), format, unknowns).with_context(|| file.display().to_string())?;
        let mut conn = super::connect_primary(sources).await?;
        let options = ImportOptions { skips_bad: skip_bad, is_dry_run: dry_run };
        let result = import(&mut conn, rows, options).await;
        progress.finish_and_clear();
        let report = result.with_context(|| format!("{}: nothing was imported", file.display()))?;

        print_faults(&file, &report);
        match output {
            OutputFormat::Json => print_json(&report)?,
            OutputFormat::Table => print_line(summary(&report, options))?,
        }
        if report.is_refused(options) {
            bail!(
                "{}: nothing was imported; mend the rows above, or import the others with --skip-bad",
                file.display()
            );
        }
        Ok(())
    }
}

fn print_faults(file: &Path, report: &ImportReport) {
    for fault in &report.faults {
        let field = fault.field.unwrap_or("the row");
        eprintln!("{}:{}: {field} {}", file.display(), fault.line, fault.reason);
    }
    if report.more_faults > 0 {
        eprintln!("{}: and {} more", file.display(), report.more_faults);
    }
}

fn summary(report: &ImportReport, options: ImportOptions) -> String {
    let ImportReport { rows, inserted, updated, unchanged, skipped, .. } = report;
    if report.is_refused(options) {
        return format!("{rows} rows read, {skipped} bad: nothing imported");
    }
    let would = if report.is_written { "" } else { " (dry run: nothing was written)" };
    format!("{rows} rows read: {inserted} inserted, {updated} updated, {unchanged} unchanged, {skipped} skipped{would}")
}
