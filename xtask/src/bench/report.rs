//! Shows and keeps the result.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use shared::output;

use super::chart;
use super::figures::{CaseFigures, Figures, Keycloak, PerCore, Round};
use super::{check, memory, refusals, routes};
use crate::checkout::Checkout;
use crate::cli::{Bench, Output};
use crate::progress::{print, say};

/// Where a kept result lies in the checkout: the README shows the chart.
const KEPT: &str = "deploy/bench";

/// Prints the result, and writes it where the options say.
///
/// # Errors
/// When a file cannot be written.
pub fn report(figures: &Figures, options: &Bench, checkout: &Checkout) -> Result<()> {
    match options.output {
        Output::Table => print(&text(figures)),
        Output::Json => output::print_json(figures).context("cannot print the result")?,
    }
    if let Some(file) = &options.json {
        write_json(figures, file)?;
    }
    if options.save {
        let folder = checkout.root.join(KEPT);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        write_json(figures, &folder.join("last.json"))?;
        let file = folder.join("throughput.svg");
        let svg = chart::svg(figures)?;
        fs::write(&file, svg).with_context(|| format!("cannot write {}", file.display()))?;
        say(&format!("        Kept {}", checkout.shown(&folder)));
    }
    Ok(())
}

fn write_json(figures: &Figures, file: &Path) -> Result<()> {
    let json = serde_json::to_string_pretty(figures)? + "\n";
    fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

fn table(cases: &[CaseFigures]) -> String {
    let mut table = output::table(["case", "what", "per second", "p50 ms", "p99 ms", "CPU µs each", "generator"]);
    for case in cases {
        let Round { per_second, p50_ms, p99_ms, cpu_us, generator } = case.median;
        table.add_row([
            case.case.name().to_owned(),
            case.what.to_owned(),
            format!("{per_second:>10.0}"),
            format!("{p50_ms:>6.2}"),
            format!("{p99_ms:>6.2}"),
            cpu_us.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:>11.1}")),
            generator.map_or_else(|| "-".to_owned(), |share| format!("{:>7.0} %", share * 100.0)),
        ]);
    }
    table.to_string()
}

fn text(figures: &Figures) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{line}");
    };
    if !figures.cases.is_empty() {
        line(&table(&figures.cases));
        line("");
    }
    for ratio in &figures.ratios {
        let (ours, least) = (ratio.ours.name(), ratio.least.name());
        let verdict = ratio.aim.map_or_else(String::new, |aim| {
            format!(" (aim {aim:.2}: {})", if ratio.value >= aim { "reached" } else { "missed" })
        });
        line(&format!("{:>27} {:.2}{verdict}", format!("{ours}/{least}"), ratio.value));
    }
    if !figures.ratios.is_empty() {
        line("");
    }
    if let Some(PerCore { case, per_second, aim }) = figures.per_core {
        let verdict = if per_second >= aim { "reached" } else { "missed" };
        let name = case.name();
        line(&format!("{name}: {per_second:.0} a second of the server's own CPU time (aim {aim:.0}: {verdict})"));
        line("");
    }
    if !figures.checks.is_empty() {
        line(&check::text(&figures.checks));
    }
    if let Some(Keycloak { per_second_and_core, published }) = figures.keycloak {
        line(&format!(
            "At Keycloak's costs (7 MiB, 5 passes): {per_second_and_core:.0} logins per second and core; it publishes \
             {published:.0}."
        ));
        line("");
    }
    if !figures.refusals.is_empty() {
        line(&refusals::text(&figures.refusals));
    }
    if !figures.memory.is_empty() {
        line(&memory::text(&figures.memory));
    }
    if !figures.routes.is_empty() {
        line(&routes::text(&figures.routes));
    }
    let Figures { seconds, rounds, connections, argon2, machine, .. } = figures;
    line(&format!("Medians of {rounds} rounds of {seconds} s each, {connections} connections; ratios round by round."));
    line(&format!(
        "Argon2id: {} KiB, {} passes, parallelism {}, {} at once.",
        argon2.memory_kib, argon2.iterations, argon2.parallelism, argon2.threads
    ));
    let processor = machine.processor.as_deref().unwrap_or("unknown processor");
    line(&format!("{} cores of {processor}: {}.", machine.cores, machine.layout));
    text
}
