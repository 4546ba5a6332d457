//! Times of lines, by RFC 3339 with microseconds. Every line has one, so no general formatter is asked for it.

use std::fmt;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

/// Writes it as `2026-11-27T10:43:19.596872Z`.
pub(super) fn write(to: &mut impl fmt::Write, time: DateTime<Utc>) -> fmt::Result {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    // From where, how many digits, of what.
    let numbers = [
        (0, 4, time.year().unsigned_abs()),
        (5, 2, time.month()),
        (8, 2, time.day()),
        (11, 2, time.hour()),
        (14, 2, time.minute()),
        (17, 2, time.second()),
        (20, 6, time.timestamp_subsec_micros()),
    ];
    for (from, digits, number) in numbers {
        let mut rest = number;
        for place in text.iter_mut().skip(from).take(digits).rev() {
            *place = b"0123456789".get(usize::try_from(rest % 10).unwrap_or_default()).copied().unwrap_or_default();
            rest /= 10;
        }
    }
    to.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_time_is_written_as_chrono_writes_it(seconds in 0_i64..253_402_300_800, micros in 0_u32..1_000_000) {
            let time = DateTime::from_timestamp(seconds, micros * 1000).unwrap();
            let mut text = String::new();
            write(&mut text, time).unwrap();
            proptest::prop_assert_eq!(text, time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true));
        }
    }
}
