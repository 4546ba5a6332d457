//! Proof key for code exchange (RFC 7636): the grammar, which oxide-auth's extension does not look at.

/// `code-verifier = 43*128unreserved` (RFC 7636 section 4.1).
pub(super) fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

/// An S256 challenge: base64url of a SHA-256 without padding (RFC 7636 section 4.2), 43 characters and no spare bits.
pub(super) fn is_s256_challenge(text: &str) -> bool {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use oxide_auth::code_grant::extensions::Pkce;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn s256(verifier: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
    }

    /// RFC 7636 appendix B.
    #[test]
    fn the_example_of_the_rfc() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(is_verifier(verifier) && is_s256_challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert_eq!(s256(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    proptest! {
        #[test]
        fn a_verifier_fits_its_own_challenge_alone(one in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}") {
            prop_assert!(is_verifier(&one) && is_s256_challenge(&s256(&one)));
            let pkce = Pkce::required();
            let challenge = || pkce.challenge(Some(Cow::Borrowed("S256")), Some(Cow::Owned(s256(&one)))).unwrap();
            prop_assert!(pkce.verify(challenge(), Some(Cow::Borrowed(&one))).is_ok());
            prop_assert_eq!(pkce.verify(challenge(), Some(Cow::Borrowed(&other))).is_ok(), one == other);
            prop_assert!(pkce.verify(challenge(), Some(Cow::Owned(s256(&one)))).is_err());
        }

        #[test]
        fn c09_a13_whatever_is_taken_is_in_the_grammar(text in "[A-Za-z0-9._~+/= -]{0,140}|\\PC*") {
            let length = text.chars().count();
            if is_verifier(&text) {
                prop_assert!((43..=128).contains(&length) && text.is_ascii() && !text.contains(['+', '/', '=', ' ']));
            }
            if is_s256_challenge(&text) {
                prop_assert!(length == 43 && !text.contains(['+', '/', '=', '.', '~', ' ']));
            }
        }
    }
}
