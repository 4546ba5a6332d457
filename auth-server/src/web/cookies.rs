//! The cookies: the session's secret, a random value that marks a browser from its first form on, and the signed id of a
//! device that somebody logged in from, by which throttling knows it again.
//!
//! `__Host-` makes browsers refuse a cookie that is not `Secure`, has a `Domain` or another path (RFC 6265bis section
//! 4.1.3.2), so that no neighbouring host can plant one. Where the issuer is plain `http`, which only `dev` on loopback
//! may have, browsers and curl would not keep such a cookie: there the names have no prefix and say `dev`.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The secret of a browser session.
    Session,
    /// What forms are bound to; it allows nothing by itself.
    Form,
    /// A device that somebody logged in from; it allows nothing by itself.
    Device,
}

/// How long a device is known; its account forgets it no later.
const DEVICE_AGE: u32 = 90 * 86_400;

impl Cookie {
    /// Its name.
    #[must_use]
    pub const fn name(self, is_https: bool) -> &'static str {
        match (self, is_https) {
            (Self::Session, true) => "__Host-myapi-session",
            (Self::Form, true) => "__Host-myapi-form",
            (Self::Device, true) => "__Host-myapi-device",
            (Self::Session, false) => "myapi-dev-session",
            (Self::Form, false) => "myapi-dev-form",
            (Self::Device, false) => "myapi-dev-device",
        }
    }

    /// Its value in a request; `None` where it is not there, is empty, or stands twice.
    #[must_use]
    pub fn find(self, headers: &HeaderMap, is_https: bool) -> Option<String> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == self.name(is_https)).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) if !value.is_empty() => Some(value.to_owned()),
            _ => None,
        }
    }

    /// The header that sets it. All but a device's end with the browser at the latest, the server's own ends come before.
    #[must_use]
    pub fn set(self, value: &str, is_https: bool) -> Option<HeaderValue> {
        let secure = if is_https { "; Secure" } else { "" };
        let age = match self {
            Self::Session | Self::Form => String::new(),
            Self::Device => format!("; Max-Age={DEVICE_AGE}"),
        };
        let name = self.name(is_https);
        HeaderValue::from_str(&format!("{name}={value}; Path=/{age}; HttpOnly; SameSite=Lax{secure}")).ok()
    }

    /// The header that takes it away.
    #[must_use]
    pub fn clear(self, is_https: bool) -> Option<HeaderValue> {
        let secure = if is_https { "; Secure" } else { "" };
        let name = self.name(is_https);
        HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        Cookie::Session.find(&headers, true)
    }

    #[test]
    fn one_is_found_and_two_are_none() {
        assert_eq!(find(&["a=b; __Host-myapi-session=x"]).as_deref(), Some("x"));
        assert_eq!(find(&["a=b", "__Host-myapi-session=x=y ;c=d"]).as_deref(), Some("x=y"));
        for lines in [
            &["myapi-session=x"][..],
            &["__Host-myapi-session="],
            &["__Host-myapi-session=x; __Host-myapi-session=x"],
            &["__Host-myapi-session=x", "__Host-myapi-session=y"],
            &["__host-myapi-session=x; myapi-dev-session=x"],
        ] {
            assert_eq!(find(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a19_the_attributes() {
        let set = |is_https| Cookie::Session.set("x", is_https).unwrap();
        assert_eq!(set(true), "__Host-myapi-session=x; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(set(false), "myapi-dev-session=x; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(
            Cookie::Device.set("x", true).unwrap(),
            "__Host-myapi-device=x; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Cookie::Form.clear(true).unwrap(),
            "__Host-myapi-form=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
