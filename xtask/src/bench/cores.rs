//! Which core does what: a server on the generator's core would be measured with the generator's work. Linux only;
//! elsewhere nothing is pinned.

use std::fmt;

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who is to run. A thread hands its cores on to the threads and processes that it starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// All cores that this program may use.
    Both,
    /// The measured server and its Postgres.
    Server,
    /// The load generator.
    Generator,
}

/// The cores of this run.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    count: usize,
    #[cfg(target_os = "linux")]
    split: Option<Split>,
}

#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct Split {
    all: CpuSet,
    server: usize,
    generator: usize,
}

impl Cores {
    /// The first two of the cores that this program may use, where there are two and the system lets it choose.
    pub fn find() -> Self {
        Self {
            count: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            #[cfg(target_os = "linux")]
            split: find_split(),
        }
    }

    /// All for everybody, for trials that want the whole machine.
    pub fn undivided() -> Self {
        Self {
            count: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            #[cfg(target_os = "linux")]
            split: None,
        }
    }

    /// How many this program may use.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Puts the calling thread on its cores, as far as they are split.
    pub fn enter(&self, side: Side) {
        #[cfg(target_os = "linux")]
        if let Some(split) = &self.split {
            // It worked when the cores were found.
            let _ = sched_setaffinity(None, &split.set(side));
        }
        #[cfg(not(target_os = "linux"))]
        let _ = side;
    }
}

#[cfg(target_os = "linux")]
impl Split {
    fn set(&self, side: Side) -> CpuSet {
        let one = |core| {
            let mut set = CpuSet::new();
            set.set(core);
            set
        };
        match side {
            Side::Both => self.all,
            Side::Server => one(self.server),
            Side::Generator => one(self.generator),
        }
    }
}

#[cfg(target_os = "linux")]
fn find_split() -> Option<Split> {
    let all = sched_getaffinity(None).ok()?;
    let mut ours = (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core));
    let split = Split { all, server: ours.next()?, generator: ours.next()? };
    sched_setaffinity(None, &all).is_ok().then_some(split)
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(target_os = "linux")]
        if let Some(Split { server, generator, .. }) = &self.split {
            return write!(f, "server on core {server}, load generator on core {generator}; logins and hashes on all");
        }
        f.write_str("nothing is pinned: server and load generator share the cores")
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_on_one_side_has_one_core_and_gets_the_others_back() {
        let cores = Cores::find();
        if cores.split.is_none() {
            return;
        }
        let count = || sched_getaffinity(None).unwrap().count();
        let before = count();
        cores.enter(Side::Server);
        assert_eq!(count(), 1);
        cores.enter(Side::Both);
        assert_eq!(count(), before);
    }
}
