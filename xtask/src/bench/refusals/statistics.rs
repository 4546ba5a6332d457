//! How well one sample is told from another.

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The share of both samples that a threshold tells right: found on the even ones, judged on the odd ones, and the
/// other way round. 0.5 is chance.
pub fn accuracy(one: &[f64], other: &[f64]) -> f64 {
    let half = |values: &[f64], first: usize| values.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
    let of = |learn: usize| {
        let (threshold, is_above) = best_threshold(&half(one, learn), &half(other, learn));
        share_right(&half(one, 1 - learn), &half(other, 1 - learn), threshold, is_above)
    };
    f64::midpoint(of(0), of(1))
}

/// The threshold that tells the most right, and whether `one` is above it.
fn best_threshold(one: &[f64], other: &[f64]) -> (f64, bool) {
    let mut best = (0.0, true, 0.0);
    for threshold in one.iter().chain(other) {
        for is_above in [true, false] {
            let share = share_right(one, other, *threshold, is_above);
            if share > best.2 {
                best = (*threshold, is_above, share);
            }
        }
    }
    (best.0, best.1)
}

/// Both samples count alike, however long they are.
fn share_right(one: &[f64], other: &[f64], threshold: f64, is_above: bool) -> f64 {
    let above = |values: &[f64]| share(values.iter().filter(|value| **value > threshold).count(), values.len());
    let share = f64::midpoint(above(one), 1.0 - above(other));
    if is_above { share } else { 1.0 - share }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(count: usize, of: usize) -> f64 {
    count as f64 / of.max(1) as f64
}

/// The two-sided p of the Mann-Whitney test, by the normal approximation (from some 20 of each on).
pub fn mann_whitney(one: &[f64], other: &[f64]) -> f64 {
    let (n, m) = (share(one.len(), 1), share(other.len(), 1));
    let wins: f64 = one
        .iter()
        .flat_map(|one| other.iter().map(move |other| one.total_cmp(other)))
        .map(|order| match order {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    let distance = ((wins - n * m / 2.0).abs() - 0.5).max(0.0);
    two_sided(distance / deviation.max(f64::MIN_POSITIVE))
}

/// The probability that a normal variable is further out than `z` (Abramowitz and Stegun 7.1.26; to seven digits).
fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / 0.327_591_1_f64.mul_add(x, 1.0);
    let coefficients = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = coefficients.iter().fold(0.0_f64, |sum, coefficient| sum.mul_add(t, *coefficient));
    (sum * t * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spread over 0 to 1 in an order without a pattern.
    fn spread(count: u32, from: f64) -> Vec<f64> {
        (0..count).map(|number| from + f64::from(number * 7919 % 1009) / 1009.0).collect()
    }

    #[test]
    fn what_is_the_same_cannot_be_told_apart() {
        let (one, other) = (spread(200, 0.0), spread(400, 0.0)[200..].to_vec());
        assert!((accuracy(&one, &other) - 0.5).abs() < 0.08, "{}", accuracy(&one, &other));
        assert!(mann_whitney(&one, &other) > 0.05);
    }

    #[test]
    fn what_differs_is_told_apart_either_way() {
        let (one, other) = (spread(200, 0.0), spread(200, 2.0));
        for (one, other) in [(&one, &other), (&other, &one)] {
            assert!((accuracy(one, other) - 1.0).abs() < 0.01);
            assert!(mann_whitney(one, other) < 1e-9);
        }
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_tail_of_the_normal_distribution_is_right() {
        for (z, p) in [(0.0, 1.0), (1.0, 0.317_310_5), (1.959_964, 0.05), (3.0, 0.002_699_8)] {
            assert!((two_sided(z) - p).abs() < 1e-5, "{z}: {}", two_sided(z));
        }
    }
}
