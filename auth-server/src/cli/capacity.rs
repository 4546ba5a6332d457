//! `auth-server capacity`: how many logins this machine affords, and the settings for that.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use shared::config::{Settings, Sources};
use shared::output::{self, OutputFormat, print_json, print_line};

use crate::config::{SECTION, SETTINGS};
use crate::passwords::capacity::{Capacity, Costs, Measured, OWASP};

const LANES: &str = "MYAPI_AUTH__PASSWORD_LANES";
/// How long a login may wait for a hash, in seconds: a longer queue would hold those who get no answer.
const PATIENCE: f64 = 2.0;

/// A hash that takes so many times as long alone as among others was disturbed.
const DISTURBED: f64 = 1.25;

const EXAMPLES: &str = "\
Examples:
  auth-server capacity
  auth-server capacity --target-ms 100
  auth-server capacity --lanes 4 --seconds 5 --output json

Nothing else should run meanwhile. Needs no database.";

/// Flags of `capacity`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct MeasureCapacity {
    /// Find the dearest costs of which a hash takes no longer than this while all lanes hash
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    target_ms: Option<u32>,
    /// Hashes at once; MYAPI_AUTH__PASSWORD_LANES, or the number of cores, where it is not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    lanes: Option<u16>,
    /// How long each set of costs is measured; 0.1 to 60
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    seconds: Duration,
}

/// What the command says.
#[derive(Serialize)]
struct Report {
    lanes: usize,
    /// Figures of one are no use: it is built without optimisation.
    is_debug_build: bool,
    sets: Vec<Measured>,
    recommended: Recommended,
}

#[derive(Serialize)]
struct Recommended {
    #[serde(flatten)]
    measured: Measured,
    /// False when the target is out of reach at costs that are allowed.
    is_within_target: bool,
    settings: Vec<(&'static str, String)>,
}

impl MeasureCapacity {
    pub(super) fn run(self, sources: &Sources, output: OutputFormat) -> anyhow::Result<()> {
        let settings = Settings::load(SECTION, SETTINGS, sources)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let lanes = match self.lanes {
            Some(lanes) => usize::from(lanes),
            None => settings.find(LANES)?.unwrap_or(cores).clamp(1, 1024),
        };
        if cfg!(debug_assertions) {
            eprintln!("warning: this is a debug build; a release build is quicker and its figures are the ones to use");
        }
        let capacity = Capacity { lanes, time: self.seconds };
        let sets = OWASP.iter().map(|costs| capacity.measure(*costs)).collect::<Result<Vec<_>, _>>()?;
        if sets.iter().any(|set| set.alone_ms > set.busy_ms * DISTURBED) {
            eprintln!("warning: a hash took longer alone than among others: something else is running; measure again");
        }
        let recommended = self.recommend(&capacity, &sets)?;
        let report = Report { lanes, is_debug_build: cfg!(debug_assertions), sets, recommended };
        match output {
            OutputFormat::Json => print_json(&report)?,
            OutputFormat::Table => print_line(text(&report)?)?,
        }
        Ok(())
    }

    /// The default costs, or those of the target.
    fn recommend(&self, capacity: &Capacity, sets: &[Measured]) -> anyhow::Result<Recommended> {
        let target = self.target_ms.map(f64::from);
        let measured = match target {
            Some(target) => capacity.find(sets, target, affordable_kib(capacity.lanes))?,
            None => sets.iter().find(|set| set.costs == Costs::new(19_456, 2)).copied(),
        };
        let measured = measured.context("no set of costs is allowed")?;
        let Costs { memory_kib, iterations } = measured.costs;
        let queue = (measured.per_second * PATIENCE).ceil().clamp(16.0, 65_536.0);
        let settings = vec![
            ("MYAPI_AUTH__PASSWORD_MEMORY_KIB", memory_kib.to_string()),
            ("MYAPI_AUTH__PASSWORD_ITERATIONS", iterations.to_string()),
            ("MYAPI_AUTH__PASSWORD_PARALLELISM", "1".to_owned()),
            (LANES, capacity.lanes.to_string()),
            ("MYAPI_AUTH__PASSWORD_QUEUE", queue.to_string()),
        ];
        let is_within_target = target.is_none_or(|target| measured.busy_ms <= target);
        Ok(Recommended { measured, is_within_target, settings })
    }
}

/// Memory of one hash such that all lanes together take half of what is available, where the system tells.
fn affordable_kib(lanes: usize) -> u32 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: Option<usize> = available.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.and_then(|kib| u32::try_from(kib / 2 / lanes.max(1)).ok()).unwrap_or(u32::MAX)
}

fn text(report: &Report) -> Result<String, std::fmt::Error> {
    let Report { lanes, sets, recommended, .. } = report;
    let plural = if *lanes == 1 { "lane" } else { "lanes" };
    let busy = format!("ms, {lanes} {plural}");
    let memory = format!("MiB, {lanes} {plural}");
    let mut table = output::table(["KiB", "passes", "ms alone", &busy, "logins/s", &memory, "allowed"]);
    let own = Some(&recommended.measured).filter(|own| sets.iter().all(|set| set.costs != own.costs));
    for set in sets.iter().chain(own) {
        table.add_row([
            set.costs.memory_kib.to_string(),
            set.costs.iterations.to_string(),
            format!("{:.1}", set.alone_ms),
            format!("{:.1}", set.busy_ms),
            format!("{:.0}", set.per_second),
            format!("{:.0}", set.memory_mib),
            if set.is_allowed { "yes" } else { "no: below ASVS" }.to_owned(),
        ]);
    }
    let mut text = format!("{table}\n\n");
    if !recommended.is_within_target {
        writeln!(text, "No costs that are allowed are within the target here; these are the quickest:\n")?;
    }
    for (name, value) in &recommended.settings {
        writeln!(text, "{name}={value}")?;
    }
    let Measured { per_second, memory_mib, .. } = recommended.measured;
    write!(text, "\nAt most {per_second:.0} logins per second, with {memory_mib:.0} MiB for hashes.")?;
    Ok(text)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds".to_owned())?;
    if (0.1..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("it is 0.1 to 60".to_owned())
    }
}
