//! The address of a request, as two spellings of it are compared (RFC 9449 section 4.3).

use std::fmt::Write as _;

use url::Url;

/// An http or https address without query and fragment, in the one spelling that RFC 3986 sections 6.2.2 and 6.2.3 lead to:
/// scheme and host in lower case, no port where it is the scheme's own, no dot segments, `/` for an empty path, no
/// percent-encoding of what needs none, the rest in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads an absolute address; `None` for anything that is none, or that only a lenient reader would take for one.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(is_uri_byte) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        // The URL standard would skip more slashes.
        if !is_http || rest.starts_with('/') {
            return None;
        }
        let url = Url::parse(text).ok()?;
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        // The URL standard decodes a host, to characters that it would not take undecoded.
        let host = url.host_str().filter(|host| host.bytes().all(is_uri_byte))?;
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let path = decode_unreserved(url.path())?;
        Some(Self(format!("{}://{host}{port}{path}", url.scheme())))
    }

    /// The address of `path`, which begins with a slash, below `base`.
    pub fn below(base: &str, path: &str) -> Option<Self> {
        Self::parse(&format!("{}{path}", base.trim_end_matches('/')))
    }

    /// In its one spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 3986 section 2.
const fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// RFC 3986 sections 6.2.2.1 and 6.2.2.2; `None` where a percent sign is not followed by two hexadecimal digits.
fn decode_unreserved(path: &str) -> Option<String> {
    let mut pieces = path.split('%');
    let mut normal = pieces.next()?.to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            write!(normal, "%{byte:02X}").ok()?;
        }
        normal.push_str(rest);
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Address;

    fn read(text: &str) -> Option<String> {
        Address::parse(text).map(|address| address.as_str().to_owned())
    }

    #[test]
    fn spellings_of_one_address_are_equal() {
        let one = "https://api.example.com/movies/%C3%BC~a";
        for same in [
            one,
            "HTTPS://API.example.com:443/movies/%c3%bc~a",
            "https://api.example.com/movies/%C3%BC%7Ea?x=1",
            "https://api.example.com/movies/%C3%BC%7e%61#frag",
            "https://api.example.com/x/../movies/./%C3%BC~a",
            "https://api.example.com/x/%2e%2E/movies/%C3%BC~a",
        ] {
            assert_eq!(read(same).as_deref(), Some(one), "{same}");
        }
        assert_eq!(read("http://[::1]:80").as_deref(), Some("http://[::1]/"));
        assert_eq!(Address::below("http://a.example/v1/", "/movies/"), Address::parse("http://a.example/v1/movies/"));
    }

    #[test]
    fn other_addresses_and_what_is_none() {
        let one = read("https://api.example.com/movies/");
        for other in [
            "http://api.example.com/movies/",
            "https://api.example.com/movies",
            "https://api.example.com/Movies/",
            "https://api.example.com:8443/movies/",
            "https://api.example.com./movies/",
            "https://api.example.com/movies%2F",
            "https://api.example.com//movies/",
        ] {
            assert!(read(other).is_some() && read(other) != one, "{other}");
        }
        for none in [
            "",
            "/movies/",
            "api.example.com/movies/",
            "https:api.example.com/movies/",
            "https:///api.example.com/movies/",
            "https:\\\\api.example.com\\movies\\",
            "https://user@api.example.com/movies/",
            "https://api.example.com/movies/%",
            "https://api.example.com/movies/%2",
            "https://api.example.com/movies/%zz",
            "https://api.example.com/movies/%+1",
            " https://api.example.com/movies/",
            "https://api.example.com/mo\tvies/",
            "https://api.example.com/m\u{f6}vies/",
            "ftp://api.example.com/movies/",
            "urn:movies",
            "https://",
            "http://16XtC%c7%bc%22ae+Q/",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn one_spelling_stays_as_it_is(text in "https?://[a-z0-9.:\\[\\]]{1,12}(/[a-zA-Z0-9%._~!$&'()*+,;=:@?#-]{0,12}){0,4}|\\PC{0,40}") {
            if let Some(address) = Address::parse(&text) {
                prop_assert!(!address.as_str().contains(['?', '#']));
                prop_assert_eq!(Address::parse(address.as_str()), Some(address));
            }
        }
    }
}
