//! How a client says who it is (RFC 6749 section 2.3): HTTP Basic, the body, or its id alone.
//!
//! Two ways in one request are refused, not chosen from. A docs page whose fields are empty sends `Basic Og==`, which
//! counts as nothing said; an id with an empty secret is a public client.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;

use shared::http::percent::decode_form;

use crate::clients::{ClientId, Presented};

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why client credentials cannot even be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
}

/// What the client presented, from its `Authorization` header and the form's `client_id` and `client_secret`; empty
/// values count as absent.
///
/// # Errors
/// [`ClientAuthError`]; [`ClientAuthError::Malformed`] and [`ClientAuthError::Id`] are failed authentications.
pub fn presented(
    authorization: Option<&str>,
    client_id: Option<&str>,
    client_secret: Option<&str>,
) -> Result<Option<Presented>, ClientAuthError> {
    let basic = authorization.map(basic).transpose()?.flatten();
    let posted = match (client_id, client_secret) {
        (None, None) => None,
        (Some(id), secret) => Some((id, secret)),
        (None, Some(_)) if basic.is_some() => return Err(ClientAuthError::Several),
        (None, Some(_)) => return Err(ClientAuthError::SecretAlone),
    };
    match (basic, posted) {
        (Some(_), Some((_, Some(_)))) => Err(ClientAuthError::Several),
        // Many clients repeat their id in the body; the same id is no second method, another one is.
        (Some((id, _)), Some((posted, None))) if id != posted => Err(ClientAuthError::Several),
        (Some((id, secret)), _) => identify(&id, Some(secret.as_str())),
        (None, Some((id, secret))) => identify(id, secret),
        (None, None) => Ok(None),
    }
}

fn identify(id: &str, secret: Option<&str>) -> Result<Option<Presented>, ClientAuthError> {
    let client_id: ClientId = id.parse().map_err(|_| ClientAuthError::Id)?;
    let secret = secret.filter(|secret| !secret.is_empty()).map(SecretString::from);
    Ok(Some(Presented { client_id, secret }))
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

    #[test]
    fn t14_both_parts_are_form_decoded() {
        let found = presented(Some(&header("a%3Ab:s%25%2B%20%C3%BC")), None, None).unwrap().unwrap();
        assert_eq!((found.client_id.as_str(), found.secret.unwrap().expose_secret()), ("a:b", "s%+ ü"));
    }

    #[test]
    fn t15_malformed_basic_is_a_failed_authentication() {
        for bad in ["Basic", "Basic !!!", "Basic QQ==", "Basic QTpC QTpC", "Bearer x", ""] {
            assert_eq!(presented(Some(bad), None, None).err(), Some(ClientAuthError::Malformed), "{bad}");
        }
    }

    #[test]
    fn t13_two_ways_at_once_are_refused() {
        let basic = header("a:s");
        for (id, secret) in [(Some("a"), Some("s")), (None, Some("s")), (Some("b"), None)] {
            assert_eq!(presented(Some(&basic), id, secret).err(), Some(ClientAuthError::Several), "{id:?} {secret:?}");
        }
        assert!(presented(Some(&basic), Some("a"), None).unwrap().is_some());
    }

    #[test]
    fn empty_basic_is_nothing_said() {
        assert!(presented(Some("Basic Og=="), None, None).unwrap().is_none());
        let public = presented(Some(&header("a:")), None, None).unwrap().unwrap();
        assert!(public.secret.is_none());
    }
}
