//! Which redirect URIs may be registered (RFC 6749 section 3.1.2, RFC 8252, RFC 9700 section 2.1).
//!
//! Requests are compared with them character by character, so what cannot be meant exactly is refused here.

use url::Url;

use super::model::ApplicationType;

/// The longest one, in bytes.
const LIMIT: usize = 2000;
/// Names of this machine, exactly as they may be written (RFC 8252 section 8.3).
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Whether an application of this type may have `uri`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(uri: &str, application: ApplicationType) -> Result<(), &'static str> {
    if uri.is_empty() || uri.len() > LIMIT {
        return Err("has 1 to 2000 characters");
    }
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return Err("has a character that no URI has: write it percent-encoded");
    }
    if uri.contains('#') {
        return Err("has a fragment, which no redirect URI may have (RFC 6749 section 3.1.2)");
    }
    if uri.contains('*') {
        return Err("has a `*`, but there are no wildcards: redirect URIs are compared exactly");
    }
    let url = Url::parse(uri).map_err(|_| "is no absolute URI")?;
    let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
    match (url.scheme(), application) {
        ("https", _) => authority(rest).map(|_| ()),
        ("http", ApplicationType::Native) => match LOOPBACK.contains(&host(authority(rest)?)) {
            true => Ok(()),
            false => Err("has http, which is for loopback alone: 127.0.0.1, [::1] or localhost"),
        },
        ("http", ApplicationType::Web) => Err("has http: use https; loopback is for native applications"),
        (_, ApplicationType::Web) => Err("has another scheme than https; others are for native applications"),
        (scheme, ApplicationType::Native) => private_use(scheme, rest),
    }
}

/// `com.example.app:/done`: a domain name of one's own backwards, so that no two applications have one by chance
/// (RFC 8252 section 7.1). This also keeps `javascript:`, `data:` and `file:` out.
fn private_use(scheme: &str, rest: &str) -> Result<(), &'static str> {
    if !scheme.contains('.') {
        return Err(
            "has a scheme without a dot: a native application's own is a domain name backwards (RFC 8252 section 7.1)",
        );
    }
    if !rest.starts_with('/') {
        return Err("has no path: it is written com.example.app:/done");
    }
    if rest.starts_with("//") { authority(rest).map(|_| ()) } else { Ok(()) }
}

/// What stands between `//` and the path.
fn authority(rest: &str) -> Result<&str, &'static str> {
    let rest = rest.strip_prefix("//").ok_or("has no `//` behind its scheme")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("has a user name in it");
    }
    if authority.is_empty() { Err("has no host") } else { Ok(authority) }
}

/// Without the port.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => authority.get(..end + 2).unwrap_or(authority),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use ApplicationType::{Native, Web};

    use super::*;

    #[rstest::rstest]
    #[case(Web, "https://app.example.com/callback?tenant=1")]
    #[case(Native, "https://app.example.com/claimed")]
    #[case(Native, "http://127.0.0.1/callback")]
    #[case(Native, "http://127.0.0.1:8899/callback")]
    #[case(Native, "http://[::1]:8899/")]
    #[case(Native, "http://localhost:3000")]
    #[case(Native, "com.example.app:/oauth2redirect")]
    #[case(Native, "com.example.app://done")]
    fn a04_what_is_safe_is_taken(#[case] application: ApplicationType, #[case] uri: &str) {
        assert_eq!(check(uri, application), Ok(()));
    }

    #[rstest::rstest]
    #[case("http://app.example.com/")]
    #[case("http://127.0.0.1.example.com/")]
    #[case("http://127.0.0.2/")]
    #[case("http://0x7f.1/")]
    #[case("http://localhost@example.com/")]
    #[case("http://[::1].example.com/")]
    #[case("http:127.0.0.1/")]
    #[case("https:app.example.com")]
    #[case("https:///callback")]
    #[case("https://user:secret@app.example.com/")]
    #[case("https://*.example.com/")]
    #[case("https://app.example.com/*")]
    #[case("https://app.example.com\\@evil.example/")]
    #[case("https://app.example.com/a b")]
    #[case("https://app.example.com/ü")]
    #[case("javascript:alert(1)")]
    #[case("JavaScript:alert(1)")]
    #[case("java%73cript:alert(1)")]
    #[case("data:text/html,x")]
    #[case("vbscript:x")]
    #[case("file:///etc/passwd")]
    #[case("blob:https://app.example.com/1")]
    #[case("app:/callback")]
    #[case("com.example.app:callback")]
    #[case("com.example.app:")]
    #[case("/callback")]
    #[case("callback")]
    #[case("")]
    fn a04_what_is_unsafe_is_refused(#[case] uri: &str) {
        for application in [Web, Native] {
            assert!(check(uri, application).is_err(), "{uri} {application:?}");
        }
    }

    #[rstest::rstest]
    #[case("https://app.example.com/#")]
    #[case("https://app.example.com/#part")]
    #[case("com.example.app:/done#part")]
    fn a05_a_fragment_is_refused(#[case] uri: &str) {
        for application in [Web, Native] {
            assert!(check(uri, application).unwrap_err().contains("fragment"), "{uri}");
        }
    }

    #[test]
    fn web_applications_have_https_alone() {
        for uri in ["http://127.0.0.1/", "http://localhost:3000/", "com.example.app:/done"] {
            assert!(check(uri, Web).is_err(), "{uri}");
        }
    }
}
