//! Finds the one access token of a request (RFC 6750 section 2.1, RFC 9449 section 7.1).

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use oxide_auth_axum::OAuthResource;
use url::form_urlencoded;

use super::denied::Reason;

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// By itself.
    Bearer,
    /// With a proof beside it.
    Dpop,
}

/// The token in `Authorization`.
///
/// No header, or one of another scheme, is a request without credentials (RFC 6750 section 3.1); everything else that
/// is not exactly one well-formed token is malformed, a second token in the query included.
pub(super) async fn token(parts: &mut Parts) -> Result<(Scheme, String), (Scheme, Reason)> {
    use Scheme::{Bearer, Dpop};
    // Two headers are refused here already.
    let resource = OAuthResource::from_request_parts(parts, &()).await.map_err(|_| (Bearer, Reason::Malformed))?;
    let Some(header) = resource.authorization_header() else {
        // A header with bytes beyond ASCII reads as an absent one there.
        let is_there = parts.headers.contains_key(AUTHORIZATION);
        return Err((Bearer, if is_there { Reason::Malformed } else { Reason::Missing }));
    };
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    // Schemes have no case (RFC 9110 section 11.1).
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("bearer") => Bearer,
        scheme if scheme.eq_ignore_ascii_case("dpop") => Dpop,
        _ => return Err((Bearer, Reason::Missing)),
    };
    let token = token.trim_start_matches(' ');
    if !is_token68(token) || query_has_token(parts.uri.query()) {
        return Err((scheme, Reason::Malformed));
    }
    Ok((scheme, token.to_owned()))
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`, RFC 6750 section 2.1.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Without a branch, which lets the compiler look at many bytes at once.
    let is_between = |b: u8, first: u8, last: u8| (b >= first) & (b <= last);
    let is_letter = |b: u8| is_between(b | 0x20, b'a', b'z');
    // `-`, `.`, `/` and the digits follow one another.
    let is_legal = |b: u8| is_letter(b) | is_between(b, b'-', b'9') | (b == b'_') | (b == b'~') | (b == b'+');
    !body.is_empty() && body.bytes().fold(true, |all, b| all & is_legal(b))
}

fn query_has_token(query: Option<&str>) -> bool {
    query.is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token"))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use axum::http::header::AUTHORIZATION;

    use super::Scheme::{Bearer, Dpop};
    use super::{Reason, Scheme, token};

    async fn read(uri: &str, headers: &[&[u8]]) -> Result<(Scheme, String), (Scheme, Reason)> {
        let mut request = Request::get(uri);
        for header in headers {
            request = request.header(AUTHORIZATION, *header);
        }
        token(&mut request.body(()).unwrap().into_parts().0).await
    }

    #[tokio::test]
    async fn reads_exactly_one_token() {
        for good in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR   a.b.c"] {
            assert_eq!(read("/", &[good.as_bytes()]).await, Ok((Bearer, "a.b.c".to_owned())), "{good}");
        }
        for good in ["DPoP a.b.c", "dpop a.b.c"] {
            assert_eq!(read("/", &[good.as_bytes()]).await, Ok((Dpop, "a.b.c".to_owned())), "{good}");
        }
        for absent in ["", "Basic Og==", "DPoPx a.b.c", "Bearerx a", "Digest"] {
            assert_eq!(read("/", &[absent.as_bytes()]).await, Err((Bearer, Reason::Missing)), "{absent}");
        }
        for bad in
            ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\"", "Bearer =", "Bearer a=b", "Bearer a\tb"]
        {
            assert_eq!(read("/", &[bad.as_bytes()]).await, Err((Bearer, Reason::Malformed)), "{bad}");
        }
        assert_eq!(read("/", &[b"DPoP a b"]).await, Err((Dpop, Reason::Malformed)));
        assert_eq!(read("/", &[b"Bearer caf\xc3\xa9"]).await, Err((Bearer, Reason::Malformed)));
        assert_eq!(read("/", &[b"Bearer a", b"DPoP a"]).await, Err((Bearer, Reason::Malformed)));
        assert_eq!(read("/?access%5Ftoken=a", &[b"Bearer a"]).await, Err((Bearer, Reason::Malformed)));
        assert_eq!(read("/?access_token=a", &[]).await, Err((Bearer, Reason::Missing)));
    }
}
