//! Who is next: the waiting work of many addresses, in a fair order. No threads, no time.
//!
//! 1. Each address has a line of its own, in the order of arrival.
//! 2. Next is the address that has asked least of late, whether it was served or not; among equals the one that came
//!    first. An address that brings much work waits behind those that bring little, and whoever comes back after being
//!    put off gains on a crowd that asks all the time, however many addresses the crowd has.
//! 3. Where the room is full, the address with the most waiting work gives up its newest; among equals the one that has
//!    asked most. If that is the newcomer itself, it is turned away.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

/// Whose work it is; `None` is the server's own.
pub(super) type Key = Option<IpAddr>;

/// Addresses that are remembered, in each of two generations.
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
        Self { capacity, count: 0, lanes: HashMap::new(), order: BTreeSet::new(), asks: Asks::default(), arrivals: 0 }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.count >= self.capacity
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.lanes.values().flat_map(|waiting| &waiting.work)
    }

    /// Whether work of `key` would find a place now. To be told no is to have asked.
    pub(super) fn has_place(&mut self, key: Key) -> bool {
        let has_place = !self.is_full() || self.find_victim(key).is_some();
        if !has_place {
            self.asks.note(key);
        }
        has_place
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
                self.asks.note(key);
                Pushed::Refused
            }
        }
    }

    /// Who makes room for a newcomer, if anybody does.
    fn find_victim(&self, key: Key) -> Option<Key> {
        let own = self.lanes.get(&key).map_or(0, |waiting| waiting.work.len());
        let newcomer = (own + 1, self.asks.of(key));
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
        self.asks.note(key);
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
        (self.asks.of(key), self.arrivals)
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(last: u8) -> Key {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn drain(line: &mut Line<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| line.pop(|_| true)).collect()
    }

    #[test]
    fn f12_who_brings_little_does_not_wait_for_who_brings_much() {
        let mut line = Line::new(9);
        for work in ["a1", "a2", "a3", "a4"] {
            line.push(at(1), work);
        }
        line.push(at(2), "b1");
        line.push(at(2), "b2");
        line.push(None, "own");
        assert_eq!(drain(&mut line), ["a1", "b1", "own", "b2", "a2", "a3", "a4"]);
    }

    #[test]
    fn f12_who_asks_seldom_comes_before_a_crowd_served_or_not() {
        let mut line = Line::new(9);
        for _ in 0..3 {
            for key in 1..=3 {
                line.push(at(key), "crowd");
            }
            line.pop(|_| true);
            line.clear();
        }
        for (key, work) in [(1, "crowd"), (9, "put off"), (2, "crowd")] {
            line.push(at(key), work);
        }
        assert_eq!(line.pop(|_| true), Some("put off"));
        line.push(at(9), "again");
        assert_eq!(line.pop(|_| true), Some("again"));
    }

    #[test]
    fn equals_have_one_turn_each() {
        let mut line = Line::new(9);
        let mut turns = [0; 3];
        for key in 0..3 {
            line.push(at(key), key);
        }
        for _ in 0..30 {
            let key = line.pop(|_| true).unwrap();
            turns[usize::from(key)] += 1;
            line.push(at(key), key);
        }
        assert_eq!(turns, [10; 3]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut asks = Asks::default();
        for number in 0..100_000_u32 {
            asks.note(Some(std::net::Ipv4Addr::from_bits(number).into()));
        }
        assert!(asks.young.len() + asks.old.len() <= 2 * REMEMBERED);
        for _ in 0..3 * GENERATION {
            asks.note(None);
        }
        assert_eq!(asks.young.len() + asks.old.len(), 2);
    }

    #[test]
    fn f12_in_a_full_room_the_largest_crowd_makes_room() {
        let mut line = Line::new(3);
        for work in ["a1", "a2", "a3"] {
            assert_eq!(line.push(at(1), work), Pushed::Waits);
        }
        assert_eq!(line.push(at(1), "a4"), Pushed::Refused, "its own crowd is the largest");
        assert_eq!(line.push(at(2), "b1"), Pushed::InPlaceOf("a3"));
        assert_eq!(line.push(at(2), "b2"), Pushed::Refused, "then both would have two, and nobody gains");
        assert_eq!(line.push(at(3), "c1"), Pushed::InPlaceOf("a2"));
        assert_eq!(drain(&mut line), ["a1", "b1", "c1"]);
        // All have one now: who has asked most makes room for whom nobody has seen yet.
        for (key, work) in [(1, "a5"), (2, "b3"), (3, "c2")] {
            line.push(at(key), work);
        }
        assert_eq!(line.push(at(4), "d1"), Pushed::InPlaceOf("a5"));
    }

    #[test]
    fn what_nobody_waits_for_costs_no_turn() {
        let mut line = Line::new(4);
        for (key, work) in [(1, "gone"), (1, "a"), (2, "b")] {
            line.push(at(key), work);
        }
        let wanted = |work: &&str| *work != "gone";
        assert_eq!((line.pop(wanted), line.pop(wanted), line.pop(wanted)), (Some("a"), Some("b"), None));
        assert!(line.lanes.is_empty() && line.order.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_bound_is_crossed(steps in proptest::collection::vec((0..9_u8, any::<bool>()), 0..400)) {
            let mut line = Line::new(7);
            let mut waiting = 0_usize;
            for (key, is_push) in steps {
                if is_push {
                    match line.push(at(key), key) {
                        Pushed::Waits => waiting += 1,
                        Pushed::InPlaceOf(other) => prop_assert_ne!(other, key),
                        Pushed::Refused => prop_assert!(line.is_full()),
                    }
                } else {
                    waiting -= usize::from(line.pop(|_| true).is_some());
                }
                prop_assert_eq!(line.iter().count(), waiting);
                prop_assert!(waiting <= 7 && line.order.len() == line.lanes.len());
            }
        }
    }
}
