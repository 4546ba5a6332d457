//! How a client says who it is (RFC 6749 section 2.3): HTTP Basic, the body, an assertion (RFC 7521 section 4.2), or its
//! id alone.
//!
//! Two ways in one request are refused, not chosen from. A docs page whose fields are empty sends `Basic Og==`, which
//! counts as nothing said; an id with an empty secret is a public client.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;

use shared::http::percent::decode_form;

use crate::clients::{ASSERTION_TYPE, Assertion, AssertionError, ClientId, Presented, Proof};

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why client credentials cannot even be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientAuthError {
    /// "The client MUST NOT use more than one authentication method in each request." (RFC 6749 section 2.3)
    #[error("the client used more than one way to authenticate")]
    Several,
    /// A secret without an id.
    #[error("client_secret came without client_id")]
    SecretAlone,
    /// An `Authorization` header that is not Basic, or Basic that cannot be read.
    #[error("the Authorization header cannot be read as Basic credentials")]
    Malformed,
    /// An id that no client can have.
    #[error("the client_id cannot be one")]
    Id,
    /// Another type of assertion, or a type without an assertion, or the other way.
    #[error("client_assertion and client_assertion_type do not belong together")]
    AssertionType,
    /// An assertion that cannot be read.
    #[error("the client's assertion cannot be read: {0}")]
    Assertion(#[from] AssertionError),
    /// The assertion is of another client than `client_id` (RFC 7521 section 4.2).
    #[error("client_id is not the client of the assertion")]
    AssertionClient,
}

/// What a form says about its client; empty values count as absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Posted<'a> {
    /// `client_id`.
    pub client_id: Option<&'a str>,
    /// `client_secret`.
    pub client_secret: Option<&'a str>,
    /// `client_assertion_type`.
    pub assertion_type: Option<&'a str>,
    /// `client_assertion`.
    pub assertion: Option<&'a str>,
}

/// What the client presented, from its `Authorization` header and the form.
///
/// # Errors
/// [`ClientAuthError`]; all but the first two are failed authentications.
pub fn presented(authorization: Option<&str>, posted: Posted<'_>) -> Result<Option<Presented>, ClientAuthError> {
    let basic = authorization.map(basic).transpose()?.flatten();
    if posted.assertion.is_some() || posted.assertion_type.is_some() {
        return match basic.is_some() || posted.client_secret.is_some() {
            true => Err(ClientAuthError::Several),
            false => asserted(posted).map(Some),
        };
    }
    let secret = match (posted.client_id, posted.client_secret) {
        (None, None) => None,
        (Some(id), secret) => Some((id, secret)),
        (None, Some(_)) if basic.is_some() => return Err(ClientAuthError::Several),
        (None, Some(_)) => return Err(ClientAuthError::SecretAlone),
    };
    match (basic, secret) {
        (Some(_), Some((_, Some(_)))) => Err(ClientAuthError::Several),
        // Many clients repeat their id in the body; the same id is no second method, another one is.
        (Some((id, _)), Some((posted, None))) if id != posted => Err(ClientAuthError::Several),
        (Some((id, secret)), _) => identify(&id, Some(secret.as_str())),
        (None, Some((id, secret))) => identify(id, secret),
        (None, None) => Ok(None),
    }
}

/// The assertion says whose it is; `client_id` may say so too.
fn asserted(posted: Posted<'_>) -> Result<Presented, ClientAuthError> {
    let (Some(ASSERTION_TYPE), Some(text)) = (posted.assertion_type, posted.assertion) else {
        return Err(ClientAuthError::AssertionType);
    };
    let assertion = Assertion::parse(text)?;
    let client_id = assertion.client_id().clone();
    if posted.client_id.is_some_and(|id| id != client_id.as_str()) {
        return Err(ClientAuthError::AssertionClient);
    }
    Ok(Presented { client_id, proof: Proof::Assertion(Box::new(assertion)) })
}

fn identify(id: &str, secret: Option<&str>) -> Result<Option<Presented>, ClientAuthError> {
    let client_id: ClientId = id.parse().map_err(|_| ClientAuthError::Id)?;
    let proof = match secret {
        None | Some("") => Proof::None,
        Some(secret) => Proof::Secret(SecretString::from(secret)),
    };
    Ok(Some(Presented { client_id, proof }))
}

/// Id and secret of `Basic` credentials; both are form-encoded first (RFC 6749 section 2.3.1), so that a colon, percent
/// or plus inside one is never taken for a part of the other.
fn basic(header: &str) -> Result<Option<(String, String)>, ClientAuthError> {
    let (scheme, rest) = header.split_once(' ').ok_or(ClientAuthError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(ClientAuthError::Malformed);
    }
    let bytes = BASE64.decode(rest.trim_matches(' ')).map_err(|_| ClientAuthError::Malformed)?;
    let text = String::from_utf8(bytes).map_err(|_| ClientAuthError::Malformed)?;
    let (id, secret) = text.split_once(':').ok_or(ClientAuthError::Malformed)?;
    let id = decode_form(id).map_err(|_| ClientAuthError::Malformed)?;
    let secret = decode_form(secret).map_err(|_| ClientAuthError::Malformed)?;
    match (id.is_empty(), secret.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(ClientAuthError::Malformed),
        (false, _) => Ok(Some((id, secret))),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn header(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    fn said<'a>(client_id: Option<&'a str>, client_secret: Option<&'a str>) -> Posted<'a> {
        Posted { client_id, client_secret, ..Posted::default() }
    }

    #[test]
    fn t14_both_parts_are_form_decoded() {
        let found = presented(Some(&header("a%3Ab:s%25%2B%20%C3%BC")), said(None, None)).unwrap().unwrap();
        let Proof::Secret(secret) = found.proof else { panic!("{found:?}") };
        assert_eq!((found.client_id.as_str(), secret.expose_secret()), ("a:b", "s%+ ü"));
    }

    #[test]
    fn t15_malformed_basic_is_a_failed_authentication() {
        for bad in ["Basic", "Basic !!!", "Basic QQ==", "Basic QTpC QTpC", "Bearer x", ""] {
            assert_eq!(presented(Some(bad), said(None, None)).err(), Some(ClientAuthError::Malformed), "{bad}");
        }
    }

    #[test]
    fn t13_two_ways_at_once_are_refused() {
        let basic = header("a:s");
        for (id, secret) in [(Some("a"), Some("s")), (None, Some("s")), (Some("b"), None)] {
            let refused = presented(Some(&basic), said(id, secret)).err();
            assert_eq!(refused, Some(ClientAuthError::Several), "{id:?} {secret:?}");
        }
        assert!(presented(Some(&basic), said(Some("a"), None)).unwrap().is_some());
        let assertion = Posted { assertion_type: Some(ASSERTION_TYPE), assertion: Some("a.b.c"), ..said(None, None) };
        assert_eq!(presented(Some(&basic), assertion).err(), Some(ClientAuthError::Several));
        let both = Posted { client_id: Some("a"), client_secret: Some("s"), ..assertion };
        assert_eq!(presented(None, both).err(), Some(ClientAuthError::Several));
        let type_alone = Posted { assertion: None, ..assertion };
        assert_eq!(presented(Some(&basic), type_alone).err(), Some(ClientAuthError::Several));
        assert_eq!(presented(None, type_alone).err(), Some(ClientAuthError::AssertionType));
    }

    #[test]
    fn empty_basic_is_nothing_said() {
        assert!(presented(Some("Basic Og=="), said(None, None)).unwrap().is_none());
        let public = presented(Some(&header("a:")), said(None, None)).unwrap().unwrap();
        assert!(matches!(public.proof, Proof::None));
    }
}
