//! How far an import is: a bar on a terminal, else a line on stderr every few seconds.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::movies::import::Stage;

/// How often a line is written where no bar is drawn.
const EVERY: Duration = Duration::from_secs(5);
/// What takes less is over before anybody wonders how fast it was.
const SHORT: Duration = Duration::from_secs(2);

/// Tells how far one import is.
pub(super) struct Teller<'a> {
    file: &'a Path,
    /// Of the bytes of the file, which whoever reads them moves.
    bar: ProgressBar,
    started: Instant,
    /// Seconds after the start when the last line was written.
    last_line: AtomicU64,
    /// Milliseconds after the start when the writing began; 0 before.
    writing_since: AtomicU64,
}

impl<'a> Teller<'a> {
    pub(super) fn new(file: &'a Path, bar: ProgressBar) -> Self {
        let (last_line, writing_since) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { file, bar, started: Instant::now(), last_line, writing_since }
    }

    /// Draws it, or writes a line if it is time for one.
    pub(super) fn tell(&self, stage: Stage) {
        let elapsed = self.started.elapsed();
        let (what, done, of, since) = match stage {
            Stage::Reading(rows) => {
                let what = format!("{} rows read, {} a second", HumanCount(rows), HumanCount(rate(rows, elapsed)));
                (what, self.bar.position(), self.bar.length().unwrap_or_default(), Duration::ZERO)
            }
            Stage::Writing { films, of } => {
                let since = self.begin_writing(elapsed);
                let rate = rate(films, elapsed.saturating_sub(since));
                let (films_, of_) = (HumanCount(films), HumanCount(of));
                (format!("{films_} of {of_} movies written, {} a second", HumanCount(rate)), films, of, since)
            }
        };
        if !self.bar.is_hidden() {
            if let Stage::Writing { films, of } = stage {
                self.bar.set_length(of);
                self.bar.set_position(films);
            }
            self.bar.set_message(what);
        } else if self.is_time(elapsed) {
            let left = left(done, of, elapsed.saturating_sub(since));
            eprintln!("{}: {what}{left}", self.file.display());
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Says how long it took, if it took long.
    pub(super) fn tell_rate(&self, rows: u64) {
        let elapsed = self.started.elapsed();
        if elapsed >= SHORT {
            let rate = HumanCount(rate(rows, elapsed));
            eprintln!(
                "{}: {} rows in {:.1} s, {rate} a second",
                self.file.display(),
                HumanCount(rows),
                elapsed.as_secs_f64()
            );
        }
    }

    /// When it began, after the start.
    fn begin_writing(&self, elapsed: Duration) -> Duration {
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        match self.writing_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
            Err(since) => Duration::from_millis(since),
            Ok(_) => {
                self.bar.reset();
                // Films from now on; a template that is none would leave the bar as it was.
                if let Ok(style) = ProgressStyle::with_template("{bar:40} {msg}, {eta} left") {
                    self.bar.set_style(style);
                }
                elapsed
            }
        }
    }

    fn is_time(&self, elapsed: Duration) -> bool {
        let (now, last) = (elapsed.as_secs(), self.last_line.load(Ordering::Relaxed));
        let is_time = now >= last + EVERY.as_secs();
        if is_time {
            self.last_line.store(now, Ordering::Relaxed);
        }
        is_time
    }
}

/// How many in each second.
fn rate(count: u64, elapsed: Duration) -> u64 {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1000) / milliseconds
}

/// How much is done and what that leaves, where the whole is known.
fn left(done: u64, of: u64, elapsed: Duration) -> String {
    if done == 0 || of == 0 {
        return String::new();
    }
    let percent = done.saturating_mul(100) / of;
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let left = milliseconds.saturating_mul(of.saturating_sub(done)) / done;
    format!(": {percent} %, {} s left", left.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_was() {
        let half_a_minute = Duration::from_secs(30);
        assert_eq!(left(250, 1000, half_a_minute), ": 25 %, 90 s left");
        assert_eq!(left(1000, 1000, half_a_minute), ": 100 %, 0 s left");
        // Of stdin the length is not known.
        assert_eq!(left(250, 0, half_a_minute), "");
        assert_eq!(left(0, 1000, half_a_minute), "");
        assert_eq!((rate(1000, half_a_minute), rate(5, Duration::ZERO)), (33, 5000));
    }
}
