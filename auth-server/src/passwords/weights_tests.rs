//! P03 on the search alone, on machines that are made up: no clock decides here.

use std::convert::Infallible;

use rstest::rstest;

use super::*;

/// Nanoseconds of a hash where a cache of `cache_kib` makes a block twice as quick, and the first pass over a block is a
/// fifth quicker than the others.
fn time(memory_kib: u32, iterations: u32, cache_kib: u32) -> Duration {
    let beyond = memory_kib.saturating_sub(cache_kib);
    let pass = u64::from(memory_kib) * 300 + u64::from(beyond) * 300;
    Duration::from_nanos(pass * u64::from(iterations) - pass / 5)
}

fn weight_at(cache_kib: u32, memory_kib: u32, iterations: u32) -> (Weight, Duration, Duration) {
    let current = Params::DEFAULT;
    let of = |params: &Params| time(params.m_cost(), params.t_cost(), cache_kib);
    let params = Params::new(memory_kib, iterations, 1, None).unwrap();
    let (weights, kind) = (Weights::default(), Kind::current(&params));
    let mut disturbance = 0;
    weights.weigh((kind, &params), &current, |top_up_kib| {
        // Every fifth turn something else comes in between.
        disturbance += 1;
        let factor = if disturbance % 5 == 0 { 3 } else { 1 };
        let top_up = time(top_up_kib, current.t_cost(), cache_kib);
        Ok::<_, Infallible>(Turn { current: of(&current) * factor, kind: of(&params), top_up })
    });
    let weight = weights.find(kind).unwrap();
    (weight, of(&params) + time(weight.top_up_kib, current.t_cost(), cache_kib), of(&current))
}

#[rstest]
fn p03_a_cheap_hash_with_the_work_on_top_takes_as_long_as_a_current_one(
    #[values(0, 1024, 8192, 16_384, 65_536)] cache_kib: u32,
    #[values((8, 1), (512, 16), (8192, 1), (9728, 2), (7168, 5), (4096, 3), (19_456, 1), (19_455, 2))] costs: (
        u32,
        u32,
    ),
) {
    let (weight, all, whole) = weight_at(cache_kib, costs.0, costs.1);
    let share = all.as_secs_f64() / whole.as_secs_f64();
    assert!((share - 1.0).abs() < 0.01 || (weight.top_up_kib == 0 && share > 1.0), "{share} {weight:?}");
    assert_eq!(weight.is_dearer, share > AS_LONG);
}

#[test]
fn p03_what_is_more_work_but_quicker_is_not_dearer() {
    let (weight, ..) = weight_at(9000, 8192, 5);
    assert!(!weight.is_dearer && weight.top_up_kib > 0, "{weight:?}");
    let params = Params::new(8192, 5, 1, None).unwrap();
    assert!(Weight::estimate(&params, &Params::DEFAULT).is_dearer, "by its work alone it would be");
}

#[test]
fn p03_a_kind_is_weighed_once_and_a_much_dearer_one_never() {
    let (weights, current) = (Weights::default(), Params::DEFAULT);
    let mut turns = 0;
    let mut weigh = |memory_kib| {
        let params = Params::new(memory_kib, 2, 1, None).unwrap();
        weights.weigh((Kind::current(&params), &params), &current, |_| {
            turns += 1;
            let one = Duration::from_millis(1);
            Ok::<_, Infallible>(Turn { current: one * 2, kind: one, top_up: one })
        });
        turns
    };
    let once = TURNS.iter().sum::<usize>();
    assert_eq!([weigh(9728), weigh(9728), weigh(65_536)], [once; 3]);
}
