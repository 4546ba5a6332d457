//! What processes have spent of the processor.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// A process whose CPU time is read from `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// The only child of a guard; `None` where there is no `/proc`.
    pub fn guarded_by(guard: u32) -> Option<Self> {
        let entries = fs::read_dir("/proc").ok()?.flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.map(|pid| Self { pid }).find(|process| process.parent() == Some(guard))
    }

    /// This program.
    pub fn this() -> Self {
        Self { pid: std::process::id() }
    }

    /// Whoever started that process; `None` where there is no such process here.
    pub fn parent_of(pid: u32) -> Option<Self> {
        Self { pid }.parent().map(|pid| Self { pid })
    }

    /// User and system time of those of its children that have ended, and of theirs.
    pub fn children_cpu(self) -> Option<Duration> {
        Some(of_ticks(parse_ticks(&self.stat()?, CHILDREN)?))
    }

    /// User and system time of all its threads since it started, to the system's tick (mostly 10 ms).
    pub fn cpu(self) -> Option<Duration> {
        Some(of_ticks(parse_ticks(&self.stat()?, OWN)?))
    }

    /// A line of its status such as `VmRSS` or `VmHWM` (the most it ever had), in MiB.
    pub fn memory_mib(self, line: &str) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))?;
        Some(found.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
    }

    fn parent(self) -> Option<u32> {
        fields(&self.stat()?).nth(1)?.parse().ok()
    }

    fn stat(self) -> Option<String> {
        fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()
    }
}

/// User and system time of the calling thread.
pub fn of_this_thread() -> Duration {
    duration(ClockId::ThreadCPUTime)
}

/// User and system time of this program.
pub fn of_this_process() -> Duration {
    duration(ClockId::ProcessCPUTime)
}

fn duration(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

/// The fields behind the name, which may hold spaces and parentheses itself: state, parent, … (proc(5)).
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

/// Where `utime` and `stime` stand behind the name: the 14th and 15th field of the whole line.
const OWN: usize = 11;
/// `cutime` and `cstime`.
const CHILDREN: usize = 13;

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1))
}

fn parse_ticks(stat: &str, at: usize) -> Option<u64> {
    let mut times = fields(stat).skip(at).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 0 0 0 250 50 30 4 20 0 1 0 9 1 1";
        assert_eq!(parse_ticks(stat, OWN), Some(300));
        assert_eq!(parse_ticks(stat, CHILDREN), Some(34));
        assert_eq!(fields(stat).nth(1), Some("7"));
    }
}
