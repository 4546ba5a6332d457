//! What one round of one case brings, whoever made the load.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::interrupt::{Interrupt, POLL};

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// Longer ones are counted as this, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;

/// When a round counts: what is done before `begin` warms everything up.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// From here.
    pub begin: Instant,
    /// To here.
    pub end: Instant,
}

/// How long a round takes.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Until it counts.
    pub warm_up: Duration,
    /// While it counts.
    pub counted: Duration,
}

/// One round of one case.
#[derive(Debug)]
pub struct Measured {
    /// The time of each answer, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// How long was counted.
    pub elapsed: Duration,
    /// What the server spent meanwhile, where the system tells.
    pub cpu: Option<Duration>,
    /// What the load generator spent meanwhile; near `elapsed` it was what limited the round.
    pub generator: Option<Duration>,
}

impl Window {
    /// A window that opens after the warm-up.
    pub fn open(lengths: Lengths) -> Self {
        let begin = Instant::now() + lengths.warm_up;
        Self { begin, end: begin + lengths.counted }
    }

    /// Whether what is done now counts.
    pub fn has(&self, now: Instant) -> bool {
        (self.begin..self.end).contains(&now)
    }

    /// Until `then`, or until somebody interrupts.
    pub fn next_poll(then: Instant) -> Duration {
        then.saturating_duration_since(Instant::now()).min(POLL)
    }
}

/// An empty histogram.
///
/// # Errors
/// Never: its bounds are constants that go together.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_max(LONGEST, DIGITS).context("a histogram with these bounds is too large")
}

/// Notes an answer that began at `started`, if the window has its end. The answer is when it ended.
pub fn note(latencies: &mut Histogram<u64>, window: Window, started: Instant) -> Instant {
    let done = Instant::now();
    if window.has(done) {
        let nanoseconds = u64::try_from(done.duration_since(started).as_nanos()).unwrap_or(u64::MAX);
        latencies.saturating_record(nanoseconds);
    }
    done
}

/// Sleeps until `then`; for threads.
///
/// # Errors
/// [`crate::interrupt::Interrupted`].
pub fn sleep_until(then: Instant, interrupt: &Interrupt) -> Result<()> {
    while Instant::now() < then {
        interrupt.check()?;
        std::thread::sleep(Window::next_poll(then));
    }
    interrupt.check()
}
