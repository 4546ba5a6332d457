//! Forms, read strictly: what a lenient parser would repair, drop or choose from is refused here, before any other
//! code sees the parameters (RFC 6749 section 3.2 and appendix B).
//!
//! 1. The body is `application/x-www-form-urlencoded` in UTF-8, and no larger than [`MAX_BODY`].
//! 2. Percent-escapes are complete, the text is UTF-8 without NUL, and no parameter stands twice.
//! 3. Nothing is read from the URI.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use shared::http::percent::{DecodeError, decode_form};

/// Bytes of a form.
pub const MAX_BODY: usize = 64 * 1024;
/// Parameters of a form.
pub const MAX_PARAMETERS: usize = 100;
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Why a form is refused. None of the texts repeats what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Another media type, or another charset than UTF-8.
    #[error("the body has to be application/x-www-form-urlencoded in UTF-8")]
    MediaType,
    /// More than [`MAX_BODY`] bytes.
    #[error("the body is larger than 65536 bytes")]
    TooLarge,
    /// The client stopped sending.
    #[error("the body could not be read")]
    Unreadable,
    /// More than [`MAX_PARAMETERS`].
    #[error("there are more than 100 parameters")]
    TooManyParameters,
    /// `%ZZ`, `%u0041`, a cut escape, or bytes that are no UTF-8.
    #[error("a parameter is not percent-encoded UTF-8")]
    Encoding,
    /// A NUL character, which no parameter may hold and Postgres cannot store.
    #[error("a parameter holds a NUL character")]
    Nul,
    /// "Request and response parameters MUST NOT be included more than once." (RFC 6749 section 3.2)
    #[error("a parameter stands more than once")]
    Repeated,
    /// One token has one audience, so that the one parameter which RFC 8707 lets a client repeat is refused by its name.
    #[error("resource stands more than once, but one token has one audience")]
    ResourceRepeated,
    /// "Parameters ... MUST NOT be included in the request URI" (RFC 6749 section 2.3.1)
    #[error("parameters belong into the body, not into the address")]
    InUri,
}

impl From<DecodeError> for FormError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Escape | DecodeError::Utf8 => Self::Encoding,
            DecodeError::Nul => Self::Nul,
        }
    }
}

/// The request with its body read whole and found well-formed.
///
/// # Errors
/// [`FormError`] for the first rule that is broken.
pub async fn read(request: Request<Body>) -> Result<Request<Body>, FormError> {
    Ok(read_both(request).await?.0)
}

/// The same, and its parameters.
///
/// # Errors
/// [`FormError`] for the first rule that is broken.
pub async fn read_both(request: Request<Body>) -> Result<(Request<Body>, Vec<(String, String)>), FormError> {
    let (mut parts, body) = request.into_parts();
    if parts.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(FormError::InUri);
    }
    check_media_type(&parts.headers)?;
    let bytes = read_body(&parts.headers, body).await?;
    let parameters = parse(&bytes)?;
    // One spelling for whoever reads the body next.
    parts.headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(MEDIA_TYPE));
    Ok((Request::from_parts(parts, Body::from(bytes)), parameters))
}

/// The parameters of a request's body, found well-formed, and what stood before them.
///
/// # Errors
/// [`FormError`] for the first rule that is broken.
pub async fn read_parameters(
    request: Request<Body>,
) -> Result<(http::request::Parts, Vec<(String, String)>), FormError> {
    let (request, parameters) = read_both(request).await?;
    Ok((request.into_parts().0, parameters))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), FormError> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(FormError::MediaType) };
    let text = value.to_str().map_err(|_| FormError::MediaType)?;
    let mut pieces = text.split(';').map(str::trim);
    if !pieces.next().is_some_and(|essence| essence.eq_ignore_ascii_case(MEDIA_TYPE)) {
        return Err(FormError::MediaType);
    }
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    if pieces.all(is_utf8) { Ok(()) } else { Err(FormError::MediaType) }
}

/// A body of at most [`MAX_BODY`] bytes, whatever it is.
///
/// # Errors
/// [`FormError::TooLarge`], [`FormError::Unreadable`].
pub async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, FormError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(FormError::TooLarge);
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(FormError::TooLarge),
        Err(_) => Err(FormError::Unreadable),
    }
}

/// The parameters of a form in their order, decoded.
///
/// # Errors
/// [`FormError`] for the first rule that is broken.
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, FormError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FormError::Encoding)?;
    let mut parameters: Vec<(String, String)> = Vec::new();
    for piece in text.split('&').filter(|piece| !piece.is_empty()) {
        if parameters.len() == MAX_PARAMETERS {
            return Err(FormError::TooManyParameters);
        }
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (name, value) = (decode_form(name)?, decode_form(value)?);
        // There are few: looking through them takes less than a table of them.
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(if name == "resource" { FormError::ResourceRepeated } else { FormError::Repeated });
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t05_a_repeated_parameter_is_refused() {
        assert_eq!(parse(b"a=1&b=2&a=1"), Err(FormError::Repeated));
        assert_eq!(parse(b"a=1&%61=2"), Err(FormError::Repeated), "the encoding does not hide it");
        assert_eq!(parse(b"resource=urn:a&%72esource=urn:b"), Err(FormError::ResourceRepeated));
    }

    #[test]
    fn t10_bad_encodings_are_refused_not_repaired() {
        for bad in ["a=%ZZ", "a=%u0041", "a=%4", "a=%", "a=%ff%fe", "%ff=a", "a=%c3%28"] {
            assert_eq!(parse(bad.as_bytes()), Err(FormError::Encoding), "{bad}");
        }
        assert_eq!(parse(b"a=\xff"), Err(FormError::Encoding));
        assert_eq!(parse(b"a=b%00"), Err(FormError::Nul));
    }

    #[test]
    fn t29_the_number_of_parameters_is_bounded() {
        let many = (0..=MAX_PARAMETERS).map(|number| format!("p{number}=")).collect::<Vec<_>>().join("&");
        assert_eq!(parse(many.as_bytes()), Err(FormError::TooManyParameters));
    }

    proptest! {
        #[test]
        fn what_a_browser_would_send_is_read_back(pairs in proptest::collection::btree_map("[^\0]{1,9}", "[^\0]*", 0..9)) {
            let text: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), pairs.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
