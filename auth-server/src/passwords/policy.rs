//! Which passwords may be chosen (NIST SP 800-63B-4 section 3.1.1.2, ASVS 5.0 section 6.2).
//!
//! Length counts, composition does not: no rule asks for a digit or a sign. What is in everybody's guess counts for
//! nothing; `guess` says what that is.

use std::sync::Arc;

use super::{Plain, Settings, guess};

/// Shorter than this is refused always, with or without permission, in code points.
pub const SHORTEST: usize = 8;
/// Longer than this cannot be chosen, in code points.
pub const MAXIMUM_LENGTH: usize = 128;

/// The rules for new passwords.
#[derive(Clone, Debug)]
pub struct Policy {
    minimum_length: usize,
    warn_only: bool,
    context_words: Arc<[String]>,
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
    /// It is on the list of common passwords, or little more than one of them.
    #[error("the password is one that many people choose, or little more than that")]
    Common,
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
    pub fn new(settings: &Settings) -> Self {
        Self {
            minimum_length: settings.minimum_length,
            warn_only: settings.warn_only,
            context_words: settings.context_words.as_slice().into(),
        }
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
        } else {
            let context = self.context_words.iter().map(String::as_str);
            guess::find_weakness(&normalised, words.iter().copied().chain(context))
        };
        match weakness {
            Some(weakness) if leniency == Leniency::Strict && !self.warn_only => Err(PolicyError::Weak(weakness)),
            passed => Ok(passed),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn check(password: &str, leniency: Leniency) -> Result<Option<Weakness>, PolicyError> {
        let plain = Plain::new(password.to_owned()).unwrap();
        let settings = Settings { context_words: vec!["login.cinema.example".to_owned()], ..Settings::default() };
        Policy::new(&settings).check(&plain, &["John Smithers", "john.smithers@acmecorp.com"], leniency)
    }

    const SHORT: Weakness = Weakness::Short { minimum: 15 };

    #[rstest]
    #[case::u01_seven("1234567", Err(PolicyError::TooShort), Err(PolicyError::TooShort))]
    #[case::u01_eight("zxq4hv9p", Err(PolicyError::Weak(SHORT)), Ok(Some(SHORT)))]
    #[case::u01_fourteen("zxq4hv9pzxq4hv", Err(PolicyError::Weak(SHORT)), Ok(Some(SHORT)))]
    #[case::u01_fifteen_code_points("ñandúcaimánpuma", Ok(None), Ok(None))]
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
    #[case::u02_from_the_domain(
        "acmecorp.com-2026",
        Err(PolicyError::Weak(Weakness::Guessable)),
        Ok(Some(Weakness::Guessable))
    )]
    #[case::u02_from_the_host(
        "Cinema-login-2026",
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

    #[rstest]
    #[case::u02_on_the_list("1qaz2wsx3edc4rfv")]
    #[case::u02_on_the_list_in_capitals("PASSWORDPASSWORD")]
    #[case::u02_on_the_list_in_full_width("ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ")]
    #[case::u02_padded("!!Password123456!!")]
    #[case::u02_two_in_a_row("sunshine+princess")]
    #[case::u02_three_times("Password!Password!Password!")]
    #[case::u02_keyboard("qwertyuiopasdfgh")]
    #[case::u02_keyboard_backwards("poiuytrewq0987654321")]
    #[case::u02_alphabet("abcdefghijklmnopqrstu")]
    #[case::u02_one_letter("aaaaaaaaaaaaaaaaaaaaaaaaaa")]
    #[case::u02_short_unit("hahaha!hahaha!hahaha!")]
    fn common_ones_are_refused_however_they_are_stretched(#[case] password: &str) {
        assert_eq!(check(password, Leniency::Strict), Err(PolicyError::Weak(Weakness::Common)));
        assert_eq!(check(password, Leniency::AllowWeak), Ok(Some(Weakness::Common)));
    }

    #[rstest]
    #[case::u03_letters("qpwoeirutyalskdjfhgm")]
    #[case::u03_few_letters("aaaaaaaaaaaaaaabxkqpw")]
    #[case::u03_almost_one_letter("aaaaaaaaaaaaaaab")]
    #[case::u03_digits("83920174658291746201")]
    #[case::u03_phrase_of_common_words("football princess sunshine baseball")]
    #[case::u03_phrase("correct horse battery staple")]
    #[case::u03_twice_something_good("x7kq-w2mv x7kq-w2mv")]
    #[case::u03_another_script("كلمة السر الطويلة جدا")]
    fn nothing_else_is_asked_for(#[case] password: &str) {
        assert_eq!(check(password, Leniency::Strict), Ok(None));
    }

    #[test]
    fn u02_fifty_lines_of_the_public_list_are_refused() {
        let policy = Policy::new(&Settings { minimum_length: SHORTEST, ..Settings::default() });
        let lines: Vec<&str> = include_str!("../../data/common-passwords.txt").lines().collect();
        // Spread over the whole list by a stride that shares no factor with its length.
        for number in 0..50 {
            let line = lines[number * 7919 % lines.len()];
            for typed in [line.to_owned(), line.to_uppercase()] {
                let refused = policy.check(&Plain::new(typed).unwrap(), &[], Leniency::Strict);
                assert_eq!(refused, Err(PolicyError::Weak(Weakness::Common)), "{line}");
            }
        }
    }

    #[test]
    fn p05_long_passwords_pass_up_to_128_code_points() {
        let crabs =
            |length| ["🦀 and 🐚 and 🪸, ", "🌊🦑🐟🐠"].concat().chars().cycle().take(length).collect::<String>();
        assert_eq!(check(&crabs(128), Leniency::Strict), Ok(None));
        assert_eq!(check(&crabs(129), Leniency::AllowWeak), Err(PolicyError::TooLong));
    }

    #[test]
    fn u01_in_dev_a_weak_password_passes_with_a_warning() {
        let policy = Policy::new(&Settings { warn_only: true, ..Settings::default() });
        let plain = |text: &str| Plain::new(text.to_owned()).unwrap();
        assert_eq!(policy.check(&plain("qwerty123"), &[], Leniency::Strict), Ok(Some(SHORT)));
        assert_eq!(policy.check(&plain("qwerty1"), &[], Leniency::AllowWeak), Err(PolicyError::TooShort));
    }
}
