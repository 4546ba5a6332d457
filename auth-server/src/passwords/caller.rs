//! Who asks for a hash, as far as fairness goes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Who asks the lane, and since when the request waits. One address has one turn at a time; what an operator types has
/// a place of its own.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub(super) address: Option<IpAddr>,
    since: Instant,
}

impl Caller {
    /// A client at this address, from now on. One client has one address here: of IPv6 give the network.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self { address: Some(address), since: Instant::now() }
    }

    /// Nobody on the network: the command line, or the server itself.
    #[must_use]
    pub fn local() -> Self {
        Self { address: None, since: Instant::now() }
    }

    /// What is left of `patience`.
    #[must_use]
    pub fn remaining(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.since.elapsed())
    }
}
