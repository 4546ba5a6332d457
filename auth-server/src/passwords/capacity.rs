//! What hashing passwords costs on this machine, measured.
//!
//! One set of costs is measured twice: on one thread, as for a lone login, and on as many threads as the lane has, as in
//! a flood. Hashes are made as the lane makes them, each thread with memory of its own that it keeps.

use std::thread;
use std::time::{Duration, Instant};

use argon2::Params;
use serde::Serialize;

use super::hash::Hasher;
use super::memory::Memory;
use super::{HashError, Plain, Settings};

/// Corrections on the way to a target; each brings the time to within a few per cent of what is left.
const CORRECTIONS: u32 = 3;
/// Memory is recommended in steps of this.
const STEP_KIB: u32 = 1024;

/// Costs of an Argon2id hash with a parallelism of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
}

/// The sets of the OWASP password storage cheat sheet, which it calls equally strong. The last two are below what ASVS
/// 5.0 appendix C and our settings allow.
pub const OWASP: [Costs; 5] =
    [Costs::new(47_104, 1), Costs::new(19_456, 2), Costs::new(12_288, 3), Costs::new(9_216, 4), Costs::new(7_168, 5)];

/// What a set of costs comes to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measured {
    /// Which.
    #[serde(flatten)]
    pub costs: Costs,
    /// Whether the settings take them.
    pub is_allowed: bool,
    /// Milliseconds of one hash while nothing else is hashed; the median.
    pub alone_ms: f64,
    /// Milliseconds of one hash while all lanes hash; the median.
    pub busy_ms: f64,
    /// Hashes per second of all lanes together: the most logins that there can be.
    pub per_second: f64,
    /// MiB that all lanes hold together.
    pub memory_mib: f64,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    /// The memory is not there.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The system gave no thread.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
}

/// Measures on this many lanes, for this long a set.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Threads that hash at once.
    pub lanes: usize,
    /// For both measurements of one set together.
    pub time: Duration,
}

impl Costs {
    /// These.
    #[must_use]
    pub const fn new(memory_kib: u32, iterations: u32) -> Self {
        Self { memory_kib, iterations }
    }

    /// Whether the settings take them: no cheaper than ASVS 5.0 appendix C.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        let Self { memory_kib, iterations } = self;
        Settings { memory_kib, iterations, parallelism: 1, ..Settings::default() }.check().is_ok()
    }
}

impl Capacity {
    /// Measures one set.
    ///
    /// # Errors
    /// [`CapacityError`] when there is no memory or no thread for it.
    pub fn measure(&self, costs: Costs) -> Result<Measured, CapacityError> {
        let params = Params::new(costs.memory_kib, costs.iterations, 1, None).map_err(|_| HashError::Parameters)?;
        let hasher = Hasher::at(params);
        let alone = run(&hasher, 1, self.time / 2)?;
        let busy = run(&hasher, self.lanes, self.time / 2)?;
        #[expect(clippy::cast_precision_loss, reason = "lanes are few")]
        let lanes = self.lanes as f64;
        let busy_ms = median(busy);
        Ok(Measured {
            costs,
            is_allowed: costs.is_allowed(),
            alone_ms: median(alone),
            busy_ms,
            per_second: lanes * 1000.0 / busy_ms,
            memory_mib: lanes * f64::from(costs.memory_kib) / 1024.0,
        })
    }

    /// The dearest costs of 2 passes whose hash takes `target_ms` while all lanes hash, with no more than `most_kib` a
    /// hash; the cheapest set of `measured` that is allowed, where none is so quick.
    ///
    /// # Errors
    /// [`CapacityError`] when there is no memory or no thread for it.
    pub fn find(
        &self,
        measured: &[Measured],
        target_ms: f64,
        most_kib: u32,
    ) -> Result<Option<Measured>, CapacityError> {
        let allowed = measured.iter().filter(|set| set.is_allowed);
        let quickest = allowed.min_by(|one, other| one.busy_ms.total_cmp(&other.busy_ms)).copied();
        let is_default = |set: &&Measured| set.costs == Costs::new(19_456, 2);
        let Some(mut best) = measured.iter().find(is_default).filter(|set| set.busy_ms <= target_ms).copied() else {
            return Ok(quickest);
        };
        let mut last = best;
        for _ in 0..CORRECTIONS {
            let next = scaled(last, target_ms, most_kib);
            if next == last.costs {
                break;
            }
            last = self.measure(next)?;
            if last.busy_ms <= target_ms && last.busy_ms > best.busy_ms {
                best = last;
            }
        }
        Ok(Some(best))
    }
}

/// Memory in proportion to the time, within what the settings take.
fn scaled(from: Measured, target_ms: f64, most_kib: u32) -> Costs {
    let wanted = f64::from(from.costs.memory_kib) * target_ms / from.busy_ms;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the clamp")]
    let wanted = wanted.clamp(19_456.0, f64::from(most_kib.clamp(19_456, 1_048_576))) as u32;
    Costs::new((wanted / STEP_KIB * STEP_KIB).max(19_456), 2)
}

/// The milliseconds of each hash that `threads` make in `time`; each makes one at least.
fn run(hasher: &Hasher, threads: usize, time: Duration) -> Result<Vec<f64>, CapacityError> {
    let plain = Plain::new("correct horse battery staple".to_owned()).map_err(|_| HashError::Parameters)?;
    let work = || -> Result<Vec<f64>, HashError> {
        let mut memory = Memory::new();
        // The first hash pays for the memory.
        hasher.burn(&plain, &mut memory)?;
        let end = Instant::now() + time;
        let mut took = Vec::new();
        while took.is_empty() || Instant::now() < end {
            let begun = Instant::now();
            hasher.burn(&plain, &mut memory)?;
            took.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(took)
    };
    thread::scope(|scope| {
        let started: Vec<_> =
            (0..threads).map(|_| thread::Builder::new().spawn_scoped(scope, work)).collect::<Result<_, _>>()?;
        let mut took = Vec::new();
        for thread in started {
            took.extend(thread.join().map_err(|_| HashError::Parameters)??);
        }
        Ok(took)
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(memory_kib: u32, iterations: u32, busy_ms: f64) -> Measured {
        let costs = Costs::new(memory_kib, iterations);
        let is_allowed = costs.is_allowed();
        Measured { costs, is_allowed, alone_ms: busy_ms, busy_ms, per_second: 1.0, memory_mib: 1.0 }
    }

    #[test]
    fn p13_what_is_recommended_is_never_below_asvs_appendix_c() {
        assert_eq!(OWASP.map(Costs::is_allowed), [true, true, true, false, false]);
        let sets = OWASP.map(|costs| measured(costs.memory_kib, costs.iterations, f64::from(costs.memory_kib)));
        let capacity = Capacity { lanes: 1, time: Duration::ZERO };
        let found = capacity.find(&sets, 0.001, u32::MAX).unwrap().unwrap();
        assert_eq!(found.costs, Costs::new(12_288, 3), "the quickest that is allowed, not the quickest");
        for target in [0.0, 1.0, 1e12, f64::INFINITY] {
            for most_kib in [0, 19_456, u32::MAX] {
                assert!(scaled(measured(19_456, 2, 20.0), target, most_kib).is_allowed(), "{target} {most_kib}");
            }
        }
    }

    #[test]
    fn memory_grows_with_the_target() {
        assert_eq!(scaled(measured(19_456, 2, 20.0), 40.0, u32::MAX), Costs::new(38_912, 2));
        assert_eq!(scaled(measured(19_456, 2, 20.0), 4e9, u32::MAX), Costs::new(1_048_576, 2));
        assert_eq!(scaled(measured(19_456, 2, 20.0), 40.0, 30_000), Costs::new(29_696, 2));
    }
}
