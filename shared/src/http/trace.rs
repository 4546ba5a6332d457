//! The trace that a request belongs to, by W3C Trace Context (level 1, section 3.2): `traceparent` as a proxy or a client
//! of ours sends it. Every line of the request's log has its id.

use http::{HeaderMap, HeaderName};

/// The header.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What else came with it, of those who have seen the trace before (section 3.3).
#[cfg(feature = "otlp")]
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Digits of each part: version, trace id, parent id, flags.
const DIGITS: [usize; 4] = [2, 32, 16, 2];

/// The trace id, if there is one header and it is well-formed; a malformed one is no trace, and no error (section 4.3).
#[must_use]
pub fn find_id(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let text = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    read_id(text)
}

fn read_id(text: &str) -> Option<&str> {
    let parts: Vec<&str> = text.split('-').collect();
    let (known, more) = parts.split_at_checked(DIGITS.len())?;
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !known.iter().zip(DIGITS).all(|(part, digits)| part.len() == digits && is_hex(part)) {
        return None;
    }
    let [version, trace, parent, _] = known else { return None };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    // Version ff is none, and only later versions than 00 may have more parts.
    let is_read = *version != "ff" && (more.is_empty() || *version != "00") && !is_zero(trace) && !is_zero(parent);
    is_read.then_some(*trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn what_is_well_formed_has_a_trace() {
        for good in ["00-{}-00f067aa0ba902b7-01", "00-{}-00f067aa0ba902b7-00", "cc-{}-00f067aa0ba902b7-01-what-ever"] {
            assert_eq!(read_id(&good.replace("{}", TRACE)), Some(TRACE), "{good}");
        }
    }

    #[test]
    fn what_is_not_has_none() {
        let zero = "0".repeat(32);
        for bad in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{zero}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{TRACE}0-00f067aa0ba902b-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.replace('4', "\n")),
        ] {
            assert_eq!(read_id(&bad), None, "{bad}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let value = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, value.parse().unwrap());
        assert_eq!(find_id(&headers), Some(TRACE));
        headers.append(TRACEPARENT, value.parse().unwrap());
        assert_eq!(find_id(&headers), None);
    }
}
