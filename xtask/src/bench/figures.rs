//! From what was measured to what is shown.

use std::fs;

use serde::Serialize;

use super::cases::Case;
use super::check::CheckCosts;
use super::comparison::{Comparison, PER_CORE};
use super::measured::Measured;
use super::memory::Memory;
use super::raw::Costs;
use super::refusals::Told;
use super::routes::RouteFigures;

/// Percentiles that are shown.
const PERCENTILES: [f64; 2] = [50.0, 99.0];

/// The result of a run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// The version that was measured.
    pub version: &'static str,
    /// On what.
    pub machine: Machine,
    /// Seconds that each case was counted in each round.
    pub seconds: f64,
    /// How many rounds.
    pub rounds: u32,
    /// Connections to the servers of movies; one request under way on each.
    pub connections: usize,
    /// What was hashed.
    pub argon2: Costs,
    /// Each case.
    pub cases: Vec<CaseFigures>,
    /// Each comparison.
    pub ratios: Vec<Ratio>,
    /// Answers by the server's own CPU time.
    pub per_core: Option<PerCore>,
    /// What the check of a token costs.
    pub checks: Vec<CheckCosts>,
    /// Beside Keycloak.
    pub keycloak: Option<Keycloak>,
    /// What the time of a refused login tells.
    pub refusals: Vec<Told>,
    /// What both services hold of memory.
    pub memory: Vec<Memory>,
    /// Every route of the movies, with few films and with many.
    pub routes: Vec<RouteFigures>,
}

/// How many answers a second of the server's own CPU time brings, Postgres not counted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PerCore {
    /// Of what.
    pub case: Case,
    /// How many.
    pub per_second: f64,
    /// How many it should be at least.
    pub aim: f64,
}

/// Logins at Keycloak's costs. Our settings do not take these (they are below ASVS 5.0 appendix C), so that the hashes
/// are measured, and the share of them that becomes logins is that of our own costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Keycloak {
    /// Logins per second and core, computed so.
    pub per_second_and_core: f64,
    /// What Keycloak's sizing guide says of itself.
    pub published: f64,
}

/// The machine and how it was used.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// Cores that the run could use.
    pub cores: usize,
    /// What ran where.
    pub layout: String,
}

/// One case: the medians of its rounds, and the rounds.
#[derive(Debug, Serialize)]
pub struct CaseFigures {
    /// Which.
    pub case: Case,
    /// What it does.
    pub what: &'static str,
    /// The medians.
    #[serde(flatten)]
    pub median: Round,
    /// One by one.
    pub each: Vec<Round>,
}

/// One round.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Round {
    /// Answers (or hashes) per second.
    pub per_second: f64,
    /// Half of the answers came sooner, in milliseconds.
    pub p50_ms: f64,
    /// All but one of a hundred came sooner, in milliseconds.
    pub p99_ms: f64,
    /// The server's CPU time for each answer, in microseconds.
    pub cpu_us: Option<f64>,
    /// The load generator's share of one core; near 1 it was what limited the round.
    pub generator: Option<f64>,
}

/// How much of what is possible is reached.
#[derive(Debug, Serialize)]
pub struct Ratio {
    /// What is judged.
    pub ours: Case,
    /// Beside what.
    pub least: Case,
    /// The median over the rounds of the quotient of answers per second.
    pub value: f64,
    /// Where it should be, if there is an aim.
    pub aim: Option<f64>,
}

impl Machine {
    /// This one.
    pub fn here(cores: usize, layout: String) -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = info.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = name.and_then(|name| Some(name.split_once(':')?.1.trim().to_owned()));
        Self { processor, cores, layout }
    }
}

impl PerCore {
    /// From what was measured.
    pub fn of(cases: &[CaseFigures]) -> Option<Self> {
        let (case, aim) = PER_CORE;
        let cpu_us = cases.iter().find(|figures| figures.case == case)?.median.cpu_us?;
        Some(Self { case, per_second: rounded(1e6 / cpu_us, 1.0), aim })
    }
}

impl Keycloak {
    /// Keycloak's documentation, "Concepts for sizing CPU and memory resources": 15 password logins per second and core.
    const PUBLISHED: f64 = 15.0;

    /// From what was measured on this many cores.
    #[expect(clippy::cast_precision_loss, reason = "cores are few")]
    pub fn of(cases: &[CaseFigures], cores: usize) -> Option<Self> {
        let per_second = |case| cases.iter().find(|figures| figures.case == case).map(|found| found.median.per_second);
        let share = per_second(Case::Login)? / per_second(Case::Raw)?;
        let per_second_and_core = rounded(per_second(Case::Keycloak)? * share / cores.max(1) as f64, 10.0);
        Some(Self { per_second_and_core, published: Self::PUBLISHED })
    }
}

impl CaseFigures {
    /// From the rounds of `case`.
    pub fn of(case: Case, rounds: &[Measured]) -> Self {
        let each: Vec<Round> = rounds.iter().map(Round::of).collect();
        let median_of = |pick: fn(&Round) -> Option<f64>| median(each.iter().filter_map(pick).collect());
        let median = Round {
            per_second: median_of(|round| Some(round.per_second)).unwrap_or_default(),
            p50_ms: median_of(|round| Some(round.p50_ms)).unwrap_or_default(),
            p99_ms: median_of(|round| Some(round.p99_ms)).unwrap_or_default(),
            cpu_us: median_of(|round| round.cpu_us),
            generator: median_of(|round| round.generator),
        };
        Self { case, what: case.what(), median, each }
    }
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "counts and times far below 2^52")]
    fn of(measured: &Measured) -> Self {
        let answers = measured.latencies.len() as f64;
        let milliseconds =
            PERCENTILES.map(|percentile| measured.latencies.value_at_percentile(percentile) as f64 / 1e6);
        let seconds = measured.elapsed.as_secs_f64();
        Self {
            per_second: rounded(answers / seconds, 10.0),
            p50_ms: rounded(milliseconds[0], 1000.0),
            p99_ms: rounded(milliseconds[1], 1000.0),
            cpu_us: measured.cpu.map(|cpu| rounded(cpu.as_secs_f64() * 1e6 / answers, 100.0)),
            generator: measured.generator.map(|spent| rounded(spent.as_secs_f64() / seconds, 1000.0)),
        }
    }
}

/// All comparisons, of cases that have been measured.
pub fn ratios(cases: &[CaseFigures]) -> Vec<Ratio> {
    let find = |case| cases.iter().find(|figures| figures.case == case);
    let ratio = |comparison: Comparison| {
        let Comparison { ours, least, aim } = comparison;
        let pairs = find(ours)?.each.iter().zip(&find(least)?.each);
        // Round by round, so that a disturbance that lasted hits both sides.
        let value = median(pairs.map(|(ours, least)| ours.per_second / least.per_second).collect())?;
        Some(Ratio { ours, least, value: rounded(value, 1000.0), aim })
    };
    Comparison::ALL.into_iter().filter_map(ratio).collect()
}

/// The middle one, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().saturating_sub(1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// To as many parts of 1 as make sense.
pub fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(case: Case, per_second: &[f64]) -> CaseFigures {
        let round = |&per_second: &f64| Round { per_second, p50_ms: 1.0, p99_ms: 2.0, cpu_us: None, generator: None };
        CaseFigures { case, what: "", median: round(&0.0), each: per_second.iter().map(round).collect() }
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn rounds_are_compared_pairwise() {
        // A slow second round of both changes nothing.
        let cases = [figures(Case::Row, &[100.0, 10.0, 100.0]), figures(Case::Movies, &[90.0, 9.0, 80.0])];
        let ratios = ratios(&cases);
        assert_eq!(ratios.len(), 1);
        assert!((ratios[0].value - 0.9).abs() < 1e-9);
    }
}
