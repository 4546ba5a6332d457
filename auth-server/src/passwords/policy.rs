//! Which passwords may be chosen (NIST SP 800-63B-4 section 3.1.1.2, ASVS 5.0 section 6.2).
//!
//! Length counts, composition does not: no rule asks for a digit or a sign. What a password takes from its owner's
//! name or address counts for nothing.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{Plain, Settings};

/// Shorter than this is refused always, with or without permission, in code points.
pub const SHORTEST: usize = 8;
/// Longer than this cannot be chosen, in code points.
pub const MAXIMUM_LENGTH: usize = 128;
/// Shorter words of a name (`de`, `Li`) would strike at random.
const SHORTEST_WORD: usize = 4;
/// Words that every user of this deployment would think of.
const SERVICE_WORDS: [&str; 2] = ["movies", "myapi"];

/// The rules for new passwords.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    minimum_length: usize,
    warn_only: bool,
}

/// Whether the one who sets a password has said that a weak one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// Weak passwords are refused (in `dev`: pass with a warning).
    Strict,
    /// Weak passwords pass with a warning (`--allow-weak`).
    AllowWeak,
}

/// What is weak about a password that may yet be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Between the shortest that is ever taken and the minimum.
    #[error("the password has fewer than {minimum} characters")]
    Short {
        /// The configured minimum, in code points.
        minimum: usize,
    },
    /// Without the owner's name and address, too little is left.
    #[error("the password is little more than the name, the e-mail address or the service's name")]
    Guessable,
}

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Refused always.
    #[error("the password has fewer than {SHORTEST} characters; that is never allowed")]
    TooShort,
    /// Refused always.
    #[error("the password has more than {MAXIMUM_LENGTH} characters")]
    TooLong,
    /// Refused unless allowed.
    #[error("{0}")]
    Weak(Weakness),
}

impl Policy {
    /// The rules that `settings` ask for.
    #[must_use]
    pub const fn new(settings: &Settings) -> Self {
        Self { minimum_length: settings.minimum_length, warn_only: settings.warn_only }
    }

    /// Judges `plain` for the owner of `words` (name, e-mail address). A weakness that passed is returned for a
    /// warning.
    ///
    /// # Errors
    /// [`PolicyError`] when the password may not be chosen.
    pub fn check(&self, plain: &Plain, words: &[&str], leniency: Leniency) -> Result<Option<Weakness>, PolicyError> {
        let normalised = plain.normalised();
        let length = normalised.chars().count();
        if length < SHORTEST {
            return Err(PolicyError::TooShort);
        }
        if length > MAXIMUM_LENGTH {
            return Err(PolicyError::TooLong);
        }
        let weakness = if length < self.minimum_length {
            Some(Weakness::Short { minimum: self.minimum_length })
        } else if is_guessable(&normalised, words) {
            Some(Weakness::Guessable)
        } else {
            None
        };
        match weakness {
            Some(weakness) if leniency == Leniency::Strict && !self.warn_only => Err(PolicyError::Weak(weakness)),
            passed => Ok(passed),
        }
    }
}

/// True when less than [`SHORTEST`] is left of `password` without the words that belong to its owner. Of an address
/// the part before the `@` counts.
fn is_guessable(password: &str, words: &[&str]) -> bool {
    let mut left = fold(password);
    let owned = words.iter().flat_map(|word| {
        let local = word.rsplit_once('@').map_or(*word, |(local, _)| local);
        std::iter::once(local).chain(local.split(|letter: char| !letter.is_alphanumeric()))
    });
    for word in owned.chain(SERVICE_WORDS) {
        let word = fold(word);
        if word.chars().count() >= SHORTEST_WORD && left.contains(word.as_str()) {
            left = Zeroizing::new(left.replace(word.as_str(), ""));
        }
    }
    left.chars().count() < SHORTEST
}

/// For comparing with words only; what is hashed keeps its case.
fn fold(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.nfkc().flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn check(password: &str, leniency: Leniency) -> Result<Option<Weakness>, PolicyError> {
        let plain = Plain::new(password.to_owned()).unwrap();
        Policy::new(&Settings::default()).check(&plain, &["John Smithers", "john.smithers@domain.com"], leniency)
    }

    const SHORT: Weakness = Weakness::Short { minimum: 15 };

    #[rstest]
    #[case::u01_seven("1234567", Err(PolicyError::TooShort), Err(PolicyError::TooShort))]
    #[case::u01_eight("zxq4hv9p", Err(PolicyError::Weak(SHORT)), Ok(Some(SHORT)))]
    #[case::u01_fourteen("zxq4hv9pzxq4hv", Err(PolicyError::Weak(SHORT)), Ok(Some(SHORT)))]
    #[case::u01_fifteen_code_points("ñandúñandúñandú", Ok(None), Ok(None))]
    #[case::u01_composition_does_not_stretch(
        "e\u{301}e\u{301}e\u{301}e\u{301}",
        Err(PolicyError::TooShort),
        Err(PolicyError::TooShort)
    )]
    #[case::u03_one_class_of_letters("qpwoeirutyalskdjfhgm", Ok(None), Ok(None))]
    #[case::u03_a_phrase("correct horse battery", Ok(None), Ok(None))]
    #[case::u02_from_the_address(
        "John.Smithers2026",
        Err(PolicyError::Weak(Weakness::Guessable)),
        Ok(Some(Weakness::Guessable))
    )]
    #[case::u02_from_the_name(
        "SMITHERS-smithers",
        Err(PolicyError::Weak(Weakness::Guessable)),
        Ok(Some(Weakness::Guessable))
    )]
    #[case::u02_from_the_service(
        "moviesmovies123",
        Err(PolicyError::Weak(Weakness::Guessable)),
        Ok(Some(Weakness::Guessable))
    )]
    #[case::a_name_inside_a_phrase("smithers ate nine plums", Ok(None), Ok(None))]
    fn only_length_and_the_owners_words_count(
        #[case] password: &str,
        #[case] refused: Result<Option<Weakness>, PolicyError>,
        #[case] allowed: Result<Option<Weakness>, PolicyError>,
    ) {
        assert_eq!(check(password, Leniency::Strict), refused);
        assert_eq!(check(password, Leniency::AllowWeak), allowed);
    }

    #[test]
    fn p05_long_passwords_pass_up_to_128_code_points() {
        assert_eq!(check(&"🦀".repeat(128), Leniency::Strict), Ok(None));
        assert_eq!(check(&"🦀".repeat(129), Leniency::AllowWeak), Err(PolicyError::TooLong));
    }

    #[test]
    fn u01_in_dev_a_weak_password_passes_with_a_warning() {
        let policy = Policy::new(&Settings { warn_only: true, ..Settings::default() });
        let plain = |text: &str| Plain::new(text.to_owned()).unwrap();
        assert_eq!(policy.check(&plain("qwerty123"), &[], Leniency::Strict), Ok(Some(SHORT)));
        assert_eq!(policy.check(&plain("qwerty1"), &[], Leniency::AllowWeak), Err(PolicyError::TooShort));
    }
}
