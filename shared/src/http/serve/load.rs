//! How many clients there are, and how many there may be.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;

/// Descriptors that are left for files, the database and whatever else is no client.
const RESERVE: u64 = 64;

/// What a client hears for whom there is no seat: the balancer in front tries another replica.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// The seats.
pub(super) struct Load {
    taken: AtomicUsize,
    most: usize,
    /// The system has no descriptor left.
    is_starved: AtomicBool,
}

/// One client's.
pub(super) struct Seat(Arc<Load>);

impl Load {
    /// As many as asked for, or as the system allows.
    pub(super) fn new(asked: usize) -> Arc<Self> {
        let most = usize::try_from(descriptors().saturating_sub(RESERVE).max(RESERVE)).unwrap_or(usize::MAX);
        if most < asked {
            tracing::warn!(
                connections.asked = asked,
                connections.most = most,
                "the limit of open files allows fewer connections than the settings do"
            );
        }
        Arc::new(Self { taken: AtomicUsize::new(0), most: asked.min(most), is_starved: AtomicBool::new(false) })
    }

    pub(super) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let seat = |taken: usize| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, seat).ok().map(|_| Seat(Arc::clone(self)))
    }

    pub(super) fn starve(&self, is_starved: bool) {
        self.is_starved.store(is_starved, Ordering::Relaxed);
    }
}

impl Seat {
    /// Whether a client that has no request should make room.
    pub(super) fn is_scarce(&self) -> bool {
        let Load { taken, most, is_starved } = &*self.0;
        is_starved.load(Ordering::Relaxed) || taken.load(Ordering::Relaxed) > most / 4 * 3
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many this process may have; the soft limit is raised to the hard one, as it is there for programs that use `select`.
fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Says so to a client that there is no seat for, without waiting for anything.
pub(super) fn turn_away(stream: TcpStream) {
    let turn = || -> io::Result<()> {
        let mut stream = stream.into_std()?;
        stream.write_all(FULL)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        // A request that is there already would make a reset of the end, in which the answer may be lost.
        let _ = stream.read(&mut [0; 4096])?;
        Ok(())
    };
    if let Err(error) = turn() {
        tracing::trace!(%error, "a client was turned away without a word");
    }
}
