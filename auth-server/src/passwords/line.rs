//! Who is next: the waiting work of many addresses, in a fair order. No threads, no time.
//!
//! 1. Each address has a line of its own, in the order of arrival.
//! 2. Next is the address that was served least recently; one that was not served of late comes before those that were.
//!    With steady demand that is one turn each, however much work an address brings.
//! 3. Where the room is full, the address with the most waiting work gives up its newest; among equals the one that was
//!    served last. If that is the newcomer itself, it is turned away.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

/// Whose work it is; `None` is the server's own.
pub(super) type Key = Option<IpAddr>;

/// Addresses whose last turn is remembered, in each of two generations.
const REMEMBERED: usize = 4096;

/// Waiting work, at most `capacity` pieces.
pub(super) struct Line<T> {
    capacity: usize,
    count: usize,
    lanes: HashMap<Key, Waiting<T>>,
    /// Addresses with waiting work, the next one first.
    order: BTreeSet<(Turn, Key)>,
    turns: Turns,
}

/// When an address had its last turn (0: not of late), then when it came.
type Turn = (u64, u64);

struct Waiting<T> {
    turn: Turn,
    work: VecDeque<T>,
}

/// Last turns of the addresses that were served of late, bounded by forgetting the older half.
#[derive(Default)]
struct Turns {
    clock: u64,
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
        Self { capacity, count: 0, lanes: HashMap::new(), order: BTreeSet::new(), turns: Turns::default() }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.count >= self.capacity
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.lanes.values().flat_map(|waiting| &waiting.work)
    }

    /// Whether work of `key` would find a place now.
    pub(super) fn has_place(&self, key: Key) -> bool {
        !self.is_full() || self.find_victim(key).is_some()
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
            None => Pushed::Refused,
        }
    }

    /// Who makes room for a newcomer, if anybody does.
    fn find_victim(&self, key: Key) -> Option<Key> {
        let own = self.lanes.get(&key).map_or(0, |waiting| waiting.work.len());
        let newcomer = (own + 1, self.turns.last(key));
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
                    self.turns.note(key);
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
        if let Some(waiting) = self.lanes.get_mut(&key) {
            waiting.work.push_back(work);
            return;
        }
        let turn = self.turns.of_newcomer(key);
        self.order.insert((turn, key));
        self.lanes.insert(key, Waiting { turn, work: VecDeque::from([work]) });
    }

    fn take_newest(&mut self, key: Key) -> Option<T> {
        let evicted = self.lanes.get_mut(&key)?.work.pop_back()?;
        self.count -= 1;
        self.drop_if_empty(key);
        Some(evicted)
    }

    /// After a turn: to the end of the order.
    fn reorder(&mut self, key: Key) {
        let turn = self.turns.of_newcomer(key);
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

impl Turns {
    fn last(&self, key: Key) -> u64 {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied().unwrap_or(0)
    }

    fn of_newcomer(&mut self, key: Key) -> Turn {
        self.clock += 1;
        (self.last(key), self.clock)
    }

    fn note(&mut self, key: Key) {
        self.clock += 1;
        self.young.insert(key, self.clock);
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
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
    fn f12_each_address_has_its_turn_however_much_it_brings() {
        let mut line = Line::new(9);
        for work in ["a1", "a2", "a3", "a4"] {
            line.push(at(1), work);
        }
        line.push(at(2), "b1");
        line.push(at(2), "b2");
        line.push(None, "own");
        assert_eq!(drain(&mut line), ["a1", "b1", "own", "a2", "b2", "a3", "a4"]);
    }

    #[test]
    fn f12_who_was_not_served_of_late_comes_first() {
        let mut line = Line::new(9);
        for key in 1..=3 {
            line.push(at(key), "old");
        }
        assert_eq!(drain(&mut line).len(), 3);
        for key in 1..=3 {
            line.push(at(key), "again");
        }
        line.push(at(9), "fresh");
        assert_eq!(line.pop(|_| true), Some("fresh"));
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
        // All equal now: who was served last makes room for whom nobody has served yet.
        for (key, work) in [(1, "a5"), (2, "b3"), (3, "c2")] {
            line.push(at(key), work);
        }
        assert_eq!(line.push(at(4), "d1"), Pushed::InPlaceOf("c2"));
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
