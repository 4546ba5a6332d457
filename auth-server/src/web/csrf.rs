//! The proof that a form was sent by a page of ours in this browser (RFC 6749 section 10.12, RFC 6819 section 5.3.5).
//!
//! 1. What the browser itself says of the request's origin (`Sec-Fetch-Site`, else `Origin`) must not be foreign.
//! 2. The form carries a proof over its name, the browser's form cookie and, where a person is signed in, the session's
//!    cookie: another browser's, another session's, an older one is refused.

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::ORIGIN;
use url::Url;

use super::seal::{Broken, Purpose, Seals};

/// A form of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Name and password. Bound to the browser alone: it may be open in a second tab while the first one signs in.
    Login,
    /// Yes or no.
    Consent,
    /// Yes or no, to a device.
    Device,
    /// Sign out.
    Logout,
}

impl Form {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Login => b"login",
            Self::Consent => b"consent",
            Self::Device => b"device",
            Self::Logout => b"logout",
        }
    }
}

/// What a form is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The form cookie.
    pub browser: &'a str,
    /// The session cookie, where the form has a session's power.
    pub session: &'a str,
}

/// The hidden field of a form.
#[must_use]
pub fn token(seals: &Seals, form: Form, bound: Bound<'_>, now: DateTime<Utc>) -> String {
    seals.prove(Purpose::Csrf, &parts(form, &bound), now)
}

/// Whether the field is this form's, for this browser and session, and young enough.
///
/// # Errors
/// [`Broken`]: change nothing.
pub fn check(seals: &Seals, form: Form, bound: Bound<'_>, token: &str, now: DateTime<Utc>) -> Result<(), Broken> {
    seals.check_proof(Purpose::Csrf, &parts(form, &bound), token, now)
}

fn parts<'a>(form: Form, bound: &Bound<'a>) -> [&'a [u8]; 3] {
    [form.name(), bound.browser.as_bytes(), bound.session.as_bytes()]
}

/// Whether the browser says that another site sent this. A browser that says nothing leaves it to the proof; so does
/// `Origin: null`, which is what our own pages send, as they have no referrer.
#[must_use]
pub fn is_foreign(headers: &HeaderMap, issuer: &Url) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !["same-origin", "none"].iter().any(|ours| site == ours);
    }
    headers.get(ORIGIN).is_some_and(|origin| origin != "null" && *origin != *issuer.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a18_a_foreign_site_is_told_from_our_own() {
        let issuer = Url::parse("https://login.example.com/tenant").unwrap();
        let said = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            is_foreign(&headers, &issuer)
        };
        assert!(!is_foreign(&HeaderMap::new(), &issuer));
        for ours in ["same-origin", "none"] {
            assert!(!said("sec-fetch-site", ours), "{ours}");
        }
        for foreign in ["cross-site", "same-site", "", "x"] {
            assert!(said("sec-fetch-site", foreign), "{foreign}");
        }
        assert!(!said("origin", "https://login.example.com") && !said("origin", "null"));
        for foreign in ["https://evil.test", "http://login.example.com", "https://login.example.com:8443", ""] {
            assert!(said("origin", foreign), "{foreign}");
        }
    }
}
