//! Where a request comes from: the peer of its connection, or whom trusted proxies name before themselves.
//!
//! 1. A peer that is no trusted proxy is the client; what its headers say about addresses is nobody's business.
//! 2. `X-Forwarded-For` and `Forwarded` (RFC 7239) are read from the right, where the nearest proxy writes. The first
//!    address that is no trusted proxy is the client. What stands left of it the client may have written itself.
//! 3. Where a proxy wrote something that is no address, the proxy is as far as the trail goes.
//! 4. A proxy sets one of the two and may hand the other through. Where they disagree, one is the client's invention,
//!    and the peer counts: whoever lies shares the limits of all who lie.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::header::FORWARDED;
use http::{Extensions, HeaderMap, HeaderName};

use crate::config::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address; the audit log and the log's lines of this request name it from here on. A request without a connection, as tests make it, is from loopback.
pub fn client_ip(extensions: &Extensions, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let client = find(extensions, headers, proxies);
    crate::audit::note_address(client);
    client
}

fn find(extensions: &Extensions, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if !proxies.contains(peer) {
        return peer;
    }
    let old = follow(peer, elements(headers, &X_FORWARDED_FOR).iter().map(|element| address(element)), proxies);
    let new = follow(peer, elements(headers, &FORWARDED).iter().map(|element| forwarded_for(element)), proxies);
    let client = match (old, new) {
        (Some(old), Some(new)) if old != new => peer,
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => peer,
    };
    tracing::Span::current().record("client.forwarded", tracing::field::display(client));
    client
}

/// From the right to the first address that is no proxy's; `None` where the header is absent.
fn follow(
    peer: IpAddr,
    trail: impl DoubleEndedIterator<Item = Option<IpAddr>>,
    proxies: &TrustedProxies,
) -> Option<IpAddr> {
    let mut found = None;
    for hop in trail.rev() {
        let Some(hop) = hop else { return Some(found.unwrap_or(peer)) };
        found = Some(hop);
        if !proxies.contains(hop) {
            break;
        }
    }
    found
}

/// The elements of a list header, however many lines it came in (RFC 9110 section 5.3); commas between quotes are text.
fn elements(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let mut elements = Vec::new();
    for value in headers.get_all(name) {
        let (mut element, mut is_quoted, mut is_escaped) = (String::new(), false, false);
        // What is no text is no address either.
        for character in value.to_str().unwrap_or("?").chars() {
            match character {
                ',' if !is_quoted => elements.push(std::mem::take(&mut element)),
                _ => {
                    is_quoted ^= character == '"' && !is_escaped;
                    is_escaped = is_quoted && character == '\\' && !is_escaped;
                    element.push(character);
                }
            }
        }
        elements.push(element);
    }
    // Empty elements of a list mean nothing (section 5.6.1.2).
    elements.retain(|element| !element.trim().is_empty());
    elements
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    found.ok().map(|ip: IpAddr| ip.to_canonical())
}

/// The `for` of one element (RFC 7239 section 4); twice is no address.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut nodes = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let node = nodes.next().filter(|_| nodes.next().is_none())?;
    address(node.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(peer: &str, headers: &[(&str, &str)]) -> String {
        let proxies = "10.0.0.0/8, 2001:db8::/32, 192.0.2.1".parse().unwrap();
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), http::HeaderValue::from_str(value).unwrap());
        }
        client_ip(&extensions, &map, &proxies).to_string()
    }

    const XFF: &str = "x-forwarded-for";

    #[rstest::rstest]
    #[case::plain("203.0.113.9", &[], "203.0.113.9")]
    #[case::nobody_believes_a_stranger("203.0.113.9", &[(XFF, "198.51.100.1"), ("forwarded", "for=198.51.100.1")], "203.0.113.9")]
    #[case::a_proxy_says("10.0.0.1", &[(XFF, "198.51.100.1")], "198.51.100.1")]
    #[case::mapped_peer("::ffff:10.0.0.1", &[(XFF, "198.51.100.1")], "198.51.100.1")]
    #[case::another_family("2001:db8::7", &[(XFF, "2a00::1")], "2a00::1")]
    #[case::the_rightmost_stranger("10.0.0.1", &[(XFF, "1.1.1.1, 198.51.100.1, 10.9.9.9, 192.0.2.1")], "198.51.100.1")]
    #[case::two_lines_are_one_list("10.0.0.1", &[(XFF, "1.1.1.1"), (XFF, "198.51.100.1"), (XFF, "10.3.3.3")], "198.51.100.1")]
    #[case::only_proxies("10.0.0.1", &[(XFF, "10.0.0.9, 10.0.0.8")], "10.0.0.9")]
    #[case::ports("10.0.0.1", &[(XFF, "198.51.100.1:80")], "198.51.100.1")]
    #[case::brackets("10.0.0.1", &[(XFF, "[2a00::1]:80")], "2a00::1")]
    #[case::brackets_alone("10.0.0.1", &[(XFF, "[2a00::1]")], "2a00::1")]
    #[case::garbage_ends_the_trail("10.0.0.1", &[(XFF, "198.51.100.1, unknown, 10.2.2.2")], "10.2.2.2")]
    #[case::garbage_alone("10.0.0.1", &[(XFF, "'; drop table")], "10.0.0.1")]
    #[case::empty("10.0.0.1", &[(XFF, " , ,")], "10.0.0.1")]
    #[case::forwarded("10.0.0.1", &[("forwarded", "for=1.1.1.1, For=\"[2a00::1]:4711\";proto=https;by=10.0.0.1")], "2a00::1")]
    #[case::quoted_comma("10.0.0.1", &[("forwarded", "for=198.51.100.1;host=\"a,for=9.9.9.9\"")], "198.51.100.1")]
    #[case::hidden("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1")]
    #[case::for_twice("10.0.0.1", &[("forwarded", "for=1.1.1.1;for=2.2.2.2")], "10.0.0.1")]
    #[case::both_agree("10.0.0.1", &[(XFF, "198.51.100.1"), ("forwarded", "for=198.51.100.1")], "198.51.100.1")]
    #[case::both_disagree("10.0.0.1", &[(XFF, "198.51.100.1"), ("forwarded", "for=9.9.9.9")], "10.0.0.1")]
    #[case::other_headers("10.0.0.1", &[("x-real-ip", "9.9.9.9"), ("cf-connecting-ip", "9.9.9.9")], "10.0.0.1")]
    fn p10_headers_count_from_trusted_proxies_alone(
        #[case] peer: &str,
        #[case] headers: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        assert_eq!(ip(peer, headers), expected);
    }

    proptest! {
        #[test]
        fn p10_no_text_makes_it_panic(text in "[ -~]{0,60}") {
            ip("10.0.0.1", &[(XFF, &text), ("forwarded", &text)]);
        }
    }
}
