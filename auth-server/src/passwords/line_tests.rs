//! The order of turns.

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

/// Each of 40 waves comes from addresses that nobody has seen yet, all of one network.
#[rstest::rstest]
#[case::v4(|n| IpAddr::from([198, 51, 100, n]), IpAddr::from([192, 0, 2, 1]))]
#[case::v6(
    |n| IpAddr::from([0x2001, 0xdb8, 1, u16::from(n), 0, 0, 0, 0]),
    IpAddr::from([0x2001, 0xdb8, 2, 0, 0, 0, 0, 0])
)]
fn f12_ever_new_addresses_of_one_network_gain_nothing(#[case] new: fn(u8) -> IpAddr, #[case] elsewhere: IpAddr) {
    let mut line = Line::new(100);
    for number in 0..40 {
        line.push(Some(new(number)), "crowd");
    }
    line.push(Some(elsewhere), "honest");
    line.push(Some(new(200)), "crowd");
    // The first of the crowd came before anything was known of them.
    let turns = drain(&mut line).iter().take_while(|work| **work == "crowd").count();
    assert!(turns < 17, "{turns}");
    // By now it is.
    line.push(Some(new(201)), "crowd");
    line.push(Some(elsewhere), "again");
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
