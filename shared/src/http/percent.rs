//! Percent-encoding, undone strictly: what a lenient decoder would repair or replace is refused, so that no two requests
//! that look different mean the same by accident.

use percent_encoding::percent_decode_str;

/// Why a text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// `%` without two hexadecimal digits behind it.
    #[error("A percent sign is not followed by two hexadecimal digits.")]
    Escape,
    /// What the escapes stand for is no text.
    #[error("A percent-encoded text is not valid UTF-8.")]
    Utf8,
    /// No parameter of ours can hold U+0000, nor can Postgres store it.
    #[error("A NUL character is in the request.")]
    Nul,
}

/// Undoes the percent-encoding of a path segment (RFC 3986 section 2.1).
///
/// # Errors
/// [`DecodeError`] for the first rule that is broken.
pub fn decode(text: &str) -> Result<String, DecodeError> {
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return Err(DecodeError::Escape);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| DecodeError::Utf8)?;
    if decoded.contains('\0') { Err(DecodeError::Nul) } else { Ok(decoded.into_owned()) }
}

/// The same for a name or a value of a form or a query, where `+` is a space.
///
/// # Errors
/// [`DecodeError`] for the first rule that is broken.
pub fn decode_form(text: &str) -> Result<String, DecodeError> {
    decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for bad in ["%", "a%4", "%ZZ", "%u0041", "%%41", "%4g"] {
            assert_eq!(decode(bad), Err(DecodeError::Escape), "{bad}");
        }
        for bad in ["%ff", "%c3%28", "%ed%a0%80"] {
            assert_eq!(decode(bad), Err(DecodeError::Utf8), "{bad}");
        }
        assert_eq!(decode("a%00"), Err(DecodeError::Nul));
        assert_eq!(decode("a+b%2Bc"), Ok("a+b+c".to_owned()));
        assert_eq!(decode_form("a+b%2Bc"), Ok("a b+c".to_owned()));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(text in "[^\0]*") {
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            prop_assert_eq!(decode_form(&encoded), Ok(text));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = decode(&text);
        }
    }
}
