//! Where an answer may go, and how it gets there.

use url::{Host, Url};

use crate::clients::{ApplicationType, Client};

/// Whether a client may be answered at this address: it is registered, byte for byte (RFC 9700 section 2.1). A native
/// client's loopback address may have any port (RFC 8252 section 7.3): the system gives it one when it starts.
#[must_use]
pub fn is_allowed(client: &Client, presented: &str) -> bool {
    // What the registration refuses can never be answered at, whoever wrote the row.
    if presented.contains('#') || !presented.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    let is_native = client.application_type == ApplicationType::Native;
    client
        .redirect_uris
        .iter()
        .any(|registered| registered == presented || (is_native && is_same_but_for_the_port(registered, presented)))
}

fn is_same_but_for_the_port(registered: &str, presented: &str) -> bool {
    let same = split_loopback(registered).zip(split_loopback(presented));
    same.is_some_and(|(registered, presented)| registered == presented)
}

/// Host and what follows the port of a loopback address; by the text, so that nothing is repaired on the way.
fn split_loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]"].into_iter().find(|host| rest.starts_with(host))?;
    let rest = rest.strip_prefix(host)?;
    let Some(behind) = rest.strip_prefix(':') else { return is_end(rest).then_some((host, rest)) };
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    let (port, rest) = behind.split_at_checked(digits)?;
    let is_port = !port.starts_with('0') && port.parse::<u16>().is_ok();
    (is_port && is_end(rest)).then_some((host, rest))
}

/// The authority has ended: what follows is path, query or nothing.
fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?'])
}

/// The address with parameters behind those that it has. It stays as it is, byte for byte.
#[must_use]
pub fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let separator = match uri {
        _ if encoded.is_empty() => "",
        // An `&` outside of a query belongs to the path, or to the host.
        _ if !uri.contains('?') => "?",
        _ if uri.ends_with(['?', '&']) => "",
        _ => "&",
    };
    format!("{uri}{separator}{encoded}")
}

/// What a page's `form-action` has to allow beside 'self' for a redirect to this address after a form: Chromium follows
/// the redirect only then. Content-Security-Policy cannot name an IPv6 host, and a native scheme has none: there the
/// scheme stands.
#[must_use]
pub fn form_target(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let is_plain = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    match (url.scheme(), url.host()) {
        ("http" | "https", Some(Host::Domain(host))) if is_plain(host) => Some(url.origin().ascii_serialization()),
        ("http" | "https", Some(Host::Ipv4(_))) => Some(url.origin().ascii_serialization()),
        (scheme, _) => Some(format!("{scheme}:")),
    }
}

/// What a person is told of where they will be taken: the host, or of a native client its scheme.
pub(crate) fn host_of(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            let host = url.host_str().unwrap_or_default().to_owned();
            url.port().map_or(host.clone(), |port| format!("{host}:{port}"))
        }
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => uri.to_owned(),
    }
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
