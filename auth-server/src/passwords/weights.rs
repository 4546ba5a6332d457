//! How long stored Argon2 hashes of other costs take beside one of the current costs: measured, not computed.
//!
//! Memory times passes says little of the time. What fits into a cache is quicker, and so is the first pass over the
//! memory than those after it; how much depends on the machine. So each kind of hash is weighed once:
//!
//! 1. A hash of the current costs, one of the kind and the work on top of it are computed in turns. Their processor time
//!    counts: what else runs on the machine does not.
//! 2. The work on top is corrected by what is missing, roughly, then finely.
//! 3. From then on every check of that kind has the same work on top of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Params, Version};
use rustix::time::{ClockId, clock_gettime};

use super::stored::{Argon2Hash, work_kib};

/// Turns of the rough measurements and of the fine one. The error of the last is what an observer can still see, and is
/// far below what a network and a scheduler add to an answer.
const TURNS: [usize; 4] = [5, 5, 5, 29];
/// Kinds that are weighed; more than applications that ever were.
const MOST_KINDS: usize = 64;
/// A kind of so many times the current work is dearer, whatever its memory.
const SURELY_DEARER: u64 = 2;
/// What takes no longer than this, in times of a current hash, does not show.
const AS_LONG: f64 = 1.02;

/// The costs of a hash and all else that its time depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    algorithm: Algorithm,
    version: Version,
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

/// A kind beside the current costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    /// Memory of the hash, of the current passes, that has to follow so that both take as long as one of the current
    /// costs; 0 for none.
    pub(super) top_up_kib: u32,
    /// Whether it takes longer than one of the current costs by itself.
    pub(super) is_dearer: bool,
}

/// What was weighed. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights(Arc<Mutex<BTreeMap<Kind, Option<Weight>>>>);

/// Processor time of one turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// A hash of the current costs.
    pub(super) current: Duration,
    /// One of the kind.
    pub(super) kind: Duration,
    /// The work on top.
    pub(super) top_up: Duration,
}

/// Two amounts of work on top, in KiB, and the share of a current hash's time that is missing with each: what is sought
/// lies between them.
#[derive(Clone, Copy, Debug)]
struct Between {
    less: (f64, f64),
    more: (f64, f64),
}

impl Kind {
    pub(super) const fn of(hash: &Argon2Hash) -> Self {
        Self::new(hash.algorithm, hash.version, &hash.params)
    }

    /// Of the hashes that are made here.
    pub(super) const fn current(params: &Params) -> Self {
        Self::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    const fn new(algorithm: Algorithm, version: Version, params: &Params) -> Self {
        let (memory_kib, iterations, parallelism) = (params.m_cost(), params.t_cost(), params.p_cost());
        Self { algorithm, version, memory_kib, iterations, parallelism }
    }
}

impl Weight {
    /// By the amount of work alone: what is known before anything is measured.
    pub(super) fn estimate(kind: &Params, current: &Params) -> Self {
        let left = work_kib(current).saturating_sub(work_kib(kind)) / u64::from(current.t_cost());
        let top_up_kib = u32::try_from(left).map_or(0, possible);
        Self { top_up_kib, is_dearer: work_kib(kind) > work_kib(current) }
    }
}

impl Weights {
    /// `None` for what is not weighed yet.
    pub(super) fn find(&self, kind: Kind) -> Option<Weight> {
        self.lock().get(&kind).copied().flatten()
    }

    /// Weighs `kind` by `turn`, which computes with this many KiB on top, unless somebody did or does. Without an answer
    /// of `turn` the estimate stays.
    pub(super) fn weigh<E>(
        &self,
        (kind, params): (Kind, &Params),
        current: &Params,
        turn: impl FnMut(u32) -> Result<Turn, E>,
    ) {
        if work_kib(params) > SURELY_DEARER * work_kib(current) {
            return;
        }
        {
            let mut known = self.lock();
            if known.len() >= MOST_KINDS || known.contains_key(&kind) {
                return;
            }
            known.insert(kind, None);
        }
        if let Ok(weight) = measure(Weight::estimate(params, current).top_up_kib, current, turn) {
            let Kind { algorithm, version, memory_kib, iterations, parallelism } = kind;
            tracing::info!(
                hash.variant = algorithm.as_str(),
                hash.version = u32::from(version),
                hash.memory_kib = memory_kib,
                hash.iterations = iterations,
                hash.parallelism = parallelism,
                hash.top_up_kib = weight.top_up_kib,
                hash.is_dearer = weight.is_dearer,
                "a kind of stored password hash was weighed: its checks take as long as those of today"
            );
            self.lock().insert(kind, Some(weight));
        }
    }

    /// No code that can panic runs under this lock, so that a poisoned one is as good as a whole one.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Option<Weight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn measure<E>(estimate_kib: u32, current: &Params, mut turn: impl FnMut(u32) -> Result<Turn, E>) -> Result<Weight, E> {
    let most = f64::from(current.m_cost());
    let mut between: Option<Between> = None;
    let mut weight = Weight { top_up_kib: estimate_kib.min(current.m_cost()), is_dearer: false };
    for turns in TURNS {
        let seen = (0..turns).map(|_| turn(weight.top_up_kib)).collect::<Result<Vec<_>, E>>()?;
        let kind = middle(seen.iter().map(|turn| share(turn.kind, turn)).collect());
        // Turn by turn: a machine that is slow for a while is slow for all of a turn.
        let missing = middle(seen.iter().map(|turn| 1.0 - share(turn.kind + turn.top_up, turn)).collect());
        let mut around = between.unwrap_or(Between { less: (0.0, 1.0 - kind), more: (most, -kind) });
        around.narrow((f64::from(weight.top_up_kib), missing));
        between = Some(around);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
        let top_up_kib = possible(around.root().clamp(0.0, most).round() as u32);
        weight = Weight { top_up_kib, is_dearer: kind > AS_LONG };
    }
    Ok(weight)
}

/// In times of the turn's current hash.
fn share(time: Duration, turn: &Turn) -> f64 {
    time.as_secs_f64() / turn.current.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// What Argon2 can spend at all.
const fn possible(kib: u32) -> u32 {
    if kib < Params::MIN_M_COST { 0 } else { kib }
}

impl Between {
    /// `seen` is an amount, and what is missing with it.
    fn narrow(&mut self, seen: (f64, f64)) {
        // The ends are known to be right.
        if seen.0 <= self.less.0 || seen.0 >= self.more.0 {
            return;
        }
        if seen.1 > 0.0 {
            self.less = seen;
        } else {
            self.more = seen;
        }
    }

    /// The amount with which nothing should be missing.
    fn root(&self) -> f64 {
        let Self { less, more } = self;
        less.1.mul_add((more.0 - less.0) / (less.1 - more.1).max(f64::EPSILON), less.0)
    }
}

/// The mean of the middle half: steadier than the median, and what disturbed a turn does not count.
fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let (from, count) = (times.len() / 4, times.len().div_ceil(2));
    let sum: f64 = times.iter().skip(from).take(count).sum();
    #[expect(clippy::cast_precision_loss, reason = "a number of turns")]
    let count = count.max(1) as f64;
    sum / count
}

/// The processor time that `work` takes this thread, and what it returns.
pub(super) fn clocked<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let begun = now();
    let done = work();
    (now().saturating_sub(begun), done)
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
