//! E-mail addresses as names of users.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

/// An address that a new user can have: as it was typed, and the form by which it is unique.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    exact: String,
    canonical: String,
}

/// Why a text is not an address. Whether mail arrives there is for verification to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// No `@`, several, or nothing on one side of it.
    #[error("an e-mail address is one name, `@`, and a domain")]
    Shape,
    /// Spaces, control characters, or characters that cannot be seen.
    #[error("an e-mail address has no spaces and no invisible characters")]
    Characters,
    /// More than [`Email::MAX_BYTES`].
    #[error("an e-mail address has at most {} bytes", Email::MAX_BYTES)]
    TooLong,
}

impl Email {
    /// Bytes of UTF-8 at most (RFC 5321 section 4.5.3.1.3, without the angle brackets).
    pub const MAX_BYTES: usize = 254;

    /// The address as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.exact
    }

    /// The form by which it is unique.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(exact: &str) -> Result<Self, EmailError> {
        if exact.len() > Self::MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        // Lower case can decompose what NFKC composed, hence twice.
        let folded: String = exact.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let canonical = folded.strip_suffix('.').unwrap_or(&folded).to_owned();
        // Both forms, because NFKC makes spaces and signs out of characters that are none.
        for text in [exact, canonical.as_str()] {
            if text.chars().any(|letter| letter.is_whitespace() || letter.is_control() || is_invisible(letter)) {
                return Err(EmailError::Characters);
            }
            match text.split_once('@') {
                Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {}
                _ => return Err(EmailError::Shape),
            }
        }
        Ok(Self { exact: exact.to_owned(), canonical })
    }
}

impl fmt::Debug for Email {
    /// Addresses do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// Characters that leave no trace on a screen (Unicode: Default_Ignorable_Code_Point): with them a second address could
/// look exactly like a first.
const fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("john@domain.com", "john@domain.com")]
    #[case::case("John.Smith@Domain.COM", "john.smith@domain.com")]
    #[case::trailing_dot("john@domain.com.", "john@domain.com")]
    #[case::full_width("ｊｏｈｎ@domain.com", "john@domain.com")]
    #[case::decomposed("rene\u{301}@domain.com", "rené@domain.com")]
    #[case::ligature("ﬁona@domain.com", "fiona@domain.com")]
    #[case::another_alphabet("jоhn@domain.com", "jоhn@domain.com")]
    #[case::plus("john+movies@domain.com", "john+movies@domain.com")]
    #[case::a_host("root@localhost", "root@localhost")]
    fn p15_an_address_has_one_canonical_form(#[case] text: &str, #[case] canonical: &str) {
        let email: Email = text.parse().unwrap();
        assert_eq!((email.as_str(), email.canonical()), (text, canonical));
    }

    #[rstest]
    #[case::empty("", EmailError::Shape)]
    #[case::no_at("john", EmailError::Shape)]
    #[case::nothing_before("@domain.com", EmailError::Shape)]
    #[case::nothing_behind("john@", EmailError::Shape)]
    #[case::only_a_dot("john@.", EmailError::Shape)]
    #[case::two("john@x@domain.com", EmailError::Shape)]
    #[case::hidden_at("john\u{ff20}x@domain.com", EmailError::Shape)]
    #[case::leading_space(" john@domain.com", EmailError::Characters)]
    #[case::trailing_space("john@domain.com ", EmailError::Characters)]
    #[case::other_space("john\u{a0}@domain.com", EmailError::Characters)]
    #[case::hidden_space("john\u{a8}@domain.com", EmailError::Characters)]
    #[case::nul("john\0@domain.com", EmailError::Characters)]
    #[case::line("john@domain.com\n", EmailError::Characters)]
    #[case::zero_width("jo\u{200b}hn@domain.com", EmailError::Characters)]
    #[case::right_to_left("john\u{202e}@domain.com", EmailError::Characters)]
    fn p15_what_is_no_address_is_refused(#[case] text: &str, #[case] refused: EmailError) {
        assert_eq!(text.parse::<Email>(), Err(refused));
    }

    #[test]
    fn p15_an_address_is_bounded() {
        let domain = "@domain.com";
        let fits = format!("{}{domain}", "x".repeat(Email::MAX_BYTES - domain.len()));
        assert!(fits.parse::<Email>().is_ok());
        assert_eq!(format!("x{fits}").parse::<Email>(), Err(EmailError::TooLong));
    }

    proptest! {
        #[test]
        fn p15_a_canonical_form_is_its_own_canonical_form(text in "\\PC{1,20}@\\PC{1,20}") {
            if let Ok(email) = text.parse::<Email>() && let Ok(again) = email.canonical().parse::<Email>() {
                prop_assert_eq!(again.canonical().trim_end_matches('.'), email.canonical().trim_end_matches('.'));
            }
        }
    }
}
