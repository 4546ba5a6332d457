//! Who is next: the waiting work of many addresses, in a fair order. No threads, no time.
//!
//! 1. Each address has a line of its own, in the order of arrival.
//! 2. Next is the address that has asked least of late, whether it was served or not; among equals the one that came
//!    first. An address that brings much work waits behind those that bring little, and whoever comes back after being
//!    put off gains on a crowd that asks all the time, however many addresses the crowd has.
//!    What others of its network asked (IPv4 /24, IPv6 /48) counts as well, a sixteenth as much: who comes with ever new
//!    addresses soon waits behind those whose network is quiet.
//! 3. Where the room is full, the address with the most waiting work gives up its newest; among equals the one that has
//!    asked most. If that is the newcomer itself, it is turned away.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose work it is; `None` is the server's own.
pub(super) type Key = Option<IpAddr>;

/// So many questions of its network count as one of an address's own.
const NETWORK_SHARE: u64 = 16;
/// Addresses and networks that are remembered, in each of two generations.
const REMEMBERED: usize = 4096;
/// Questions that a generation lasts.
const GENERATION: u64 = 16_384;

/// Waiting work, at most `capacity` pieces.
pub(super) struct Line<T> {
    capacity: usize,
    count: usize,
    lanes: HashMap<Key, Waiting<T>>,
    /// Addresses with waiting work, the next one first.
    order: BTreeSet<(Turn, Key)>,
    asks: Asks,
    networks: Asks,
    arrivals: u64,
}

/// How often an address asked of late, then when it came.
type Turn = (u64, u64);

struct Waiting<T> {
    turn: Turn,
    work: VecDeque<T>,
}

/// How often addresses asked of late, bounded by forgetting: what is one generation old counts half, what is two
/// generations old does not count.
#[derive(Default)]
struct Asks {
    count: u64,
    young: HashMap<Key, u64>,
    old: HashMap<Key, u64>,
}

/// What became of work that was to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed<T> {
    /// It waits.
    Waits,
    /// It waits, and this work of another gave up its place.
    InPlaceOf(T),
    /// There is no room for it.
    Refused,
}

impl<T> Line<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            count: 0,
            lanes: HashMap::new(),
            order: BTreeSet::new(),
            asks: Asks::default(),
            networks: Asks::default(),
            arrivals: 0,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.count >= self.capacity
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.lanes.values().flat_map(|waiting| &waiting.work)
    }

    /// Somebody asked, and had to wait for nothing or was turned away.
    pub(super) fn note(&mut self, key: Key) {
        self.asks.note(key);
        self.networks.note(key.map(network));
    }

    pub(super) fn push(&mut self, key: Key, work: T) -> Pushed<T> {
        if !self.is_full() {
            self.append(key, work);
            return Pushed::Waits;
        }
        match self.find_victim(key).and_then(|victim| self.take_newest(victim)) {
            Some(evicted) => {
                self.append(key, work);
                Pushed::InPlaceOf(evicted)
            }
            None => {
                self.note(key);
                Pushed::Refused
            }
        }
    }

    /// Who makes room for a newcomer, if anybody does.
    fn find_victim(&self, key: Key) -> Option<Key> {
        let own = self.lanes.get(&key).map_or(0, |waiting| waiting.work.len());
        let newcomer = (own + 1, self.asked(key));
        let largest = self.lanes.iter().map(|(key, waiting)| (waiting.work.len(), waiting.turn.0, *key)).max();
        largest.filter(|(length, turn, other)| *other != key && (*length, *turn) > newcomer).map(|(.., other)| other)
    }

    /// The next piece that `is_wanted`; what is not wanted is dropped on the way and costs nobody a turn.
    pub(super) fn pop(&mut self, mut is_wanted: impl FnMut(&T) -> bool) -> Option<T> {
        loop {
            let (_, key) = *self.order.first()?;
            let work = self.lanes.get_mut(&key)?.work.pop_front();
            self.count -= usize::from(work.is_some());
            match work.filter(&mut is_wanted) {
                Some(work) => {
                    self.reorder(key);
                    return Some(work);
                }
                None => self.drop_if_empty(key),
            }
        }
    }

    pub(super) fn retain(&mut self, mut is_wanted: impl FnMut(&T) -> bool) {
        for waiting in self.lanes.values_mut() {
            waiting.work.retain(&mut is_wanted);
        }
        self.count = self.lanes.values().map(|waiting| waiting.work.len()).sum();
        let empty: Vec<Key> = self.lanes.iter().filter(|(_, lane)| lane.work.is_empty()).map(|(key, _)| *key).collect();
        empty.into_iter().for_each(|key| self.drop_if_empty(key));
    }

    pub(super) fn clear(&mut self) {
        self.retain(|_| false);
    }

    fn append(&mut self, key: Key, work: T) {
        self.count += 1;
        let turn = self.turn(key);
        self.note(key);
        if let Some(waiting) = self.lanes.get_mut(&key) {
            waiting.work.push_back(work);
            return;
        }
        self.order.insert((turn, key));
        self.lanes.insert(key, Waiting { turn, work: VecDeque::from([work]) });
    }

    fn take_newest(&mut self, key: Key) -> Option<T> {
        let evicted = self.lanes.get_mut(&key)?.work.pop_back()?;
        self.count -= 1;
        self.drop_if_empty(key);
        Some(evicted)
    }

    fn turn(&mut self, key: Key) -> Turn {
        self.arrivals += 1;
        (self.asked(key), self.arrivals)
    }

    fn asked(&self, key: Key) -> u64 {
        self.asks.of(key) + self.networks.of(key.map(network)) / NETWORK_SHARE
    }

    /// After a turn: where it belongs by now.
    fn reorder(&mut self, key: Key) {
        let turn = self.turn(key);
        if let Some(waiting) = self.lanes.get_mut(&key) {
            self.order.remove(&(waiting.turn, key));
            waiting.turn = turn;
            self.order.insert((turn, key));
        }
        self.drop_if_empty(key);
    }

    fn drop_if_empty(&mut self, key: Key) {
        if self.lanes.get(&key).is_some_and(|waiting| waiting.work.is_empty())
            && let Some(waiting) = self.lanes.remove(&key)
        {
            self.order.remove(&(waiting.turn, key));
        }
    }
}

/// IPv4 /24, IPv6 /48, as for the limits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (!0 << 8)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 80)).into(),
    }
}

impl Asks {
    fn of(&self, key: Key) -> u64 {
        let count = |generation: &HashMap<Key, u64>| generation.get(&key).copied().unwrap_or(0);
        count(&self.young) + count(&self.old) / 2
    }

    fn note(&mut self, key: Key) {
        *self.young.entry(key).or_default() += 1;
        self.count += 1;
        if self.count >= GENERATION || self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
            self.count = 0;
        }
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
