//! The code that a person types.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::keys::{KekRing, KeyEncryptionKey, Label};

/// "characters which are easy to distinguish, and no vowels, so that no words come about" (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;
/// More than a code with a separator between any two letters; what is longer is none.
const LONGEST_TEXT: usize = 64;

/// What a person typed is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a user code of this server")]
pub struct UserCodeError;

/// Eight letters. Debug prints none of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserCode([u8; LENGTH]);

impl UserCode {
    /// A new one, each letter as likely as the others.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut letters = [0_u8; LENGTH];
        let mut bytes = [0_u8; 4 * LENGTH];
        let mut found = 0;
        while found < LENGTH {
            getrandom::fill(&mut bytes)?;
            // 240 is the largest multiple of 20 in a byte: above it some letters would be likelier.
            let picked =
                bytes.iter().filter(|byte| **byte < 240).filter_map(|byte| LETTERS.get(usize::from(byte % 20)));
            for (place, letter) in letters.iter_mut().skip(found).zip(picked) {
                *place = *letter;
                found += 1;
            }
        }
        Ok(Self(letters))
    }

    /// What a row holds in its place, under the current key.
    pub(super) fn hash(self, keks: &KekRing) -> [u8; 32] {
        self.hash_under(keks.current())
    }

    /// Under every key that a row may have been written with.
    pub(super) fn hashes(self, keks: &KekRing) -> Vec<Vec<u8>> {
        keks.iter().map(|kek| self.hash_under(kek).to_vec()).collect()
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn hash_under(self, kek: &KeyEncryptionKey) -> [u8; 32] {
        let key = kek.subkey(Label::Device);
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
        // The subkey names known devices too: theirs begin with a length of eight bytes.
        mac.update(b"user code v1");
        mac.update(&self.0);
        mac.finalize().into_bytes().into()
    }
}

/// As a person may type it: lower case, with or without dashes, spaces and the like between the letters (section 6.1).
impl FromStr for UserCode {
    type Err = UserCodeError;

    fn from_str(text: &str) -> Result<Self, UserCodeError> {
        if text.len() > LONGEST_TEXT {
            return Err(UserCodeError);
        }
        let is_separator = |c: char| c.is_whitespace() || matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}');
        let mut typed = text.chars().filter(|c| !is_separator(*c));
        let mut letters = [0_u8; LENGTH];
        for place in &mut letters {
            let letter = typed.next().and_then(|c| u8::try_from(c).ok()).ok_or(UserCodeError)?.to_ascii_uppercase();
            *place = Some(letter).filter(|letter| LETTERS.contains(letter)).ok_or(UserCodeError)?;
        }
        if typed.next().is_some() { Err(UserCodeError) } else { Ok(Self(letters)) }
    }
}

/// As a device shows it: two groups of four.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in self.0.iter().enumerate() {
            if at == LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ring(first: u8, previous: &[u8]) -> KekRing {
        let key = |first: u8| {
            let mut bytes = [7_u8; 32];
            bytes[0] = first;
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            KeyEncryptionKey::from_base64(&text).unwrap()
        };
        KekRing::new(key(first), previous.iter().map(|first| key(*first)).collect())
    }

    /// 20^8 codes are 34.5 bits; of ten thousand each letter stands in each place, and no two are the same.
    #[test]
    fn d04_codes_are_of_twenty_letters_each_in_every_place() {
        assert!(20_f64.powi(8).log2() >= 34.0);
        let codes: Vec<UserCode> = (0..10_000).map(|_| UserCode::generate().unwrap()).collect();
        for place in 0..LENGTH {
            let seen: BTreeSet<u8> = codes.iter().map(|code| code.0[place]).collect();
            assert!(seen.iter().copied().eq(LETTERS.iter().copied()), "{place}: {seen:?}");
        }
        // Two of ten thousand meet once in five hundred runs.
        let different: BTreeSet<[u8; LENGTH]> = codes.iter().map(|code| code.0).collect();
        assert!(different.len() >= 9_999);
    }

    #[rstest::rstest]
    #[case("WDJB-MJHT")]
    #[case("wdjbmjht")]
    #[case(" Wd Jb – mJ-hT\n")]
    #[case("W.D.J.B_M-J\u{a0}H--T")]
    fn d05_what_a_person_types_is_understood(#[case] typed: &str) {
        assert_eq!(typed.parse::<UserCode>().unwrap().to_string(), "WDJB-MJHT");
    }

    #[rstest::rstest]
    #[case("")]
    #[case("WDJB-MJH")]
    #[case("WDJB-MJHTT")]
    #[case("WDJB-MJHA")]
    #[case("WDJB-MJH\u{17f}")]
    #[case("WDJB+MJHT")]
    fn d05_what_is_no_code_is_refused(#[case] typed: &str) {
        assert_eq!(typed.parse::<UserCode>(), Err(UserCodeError));
    }

    #[test]
    fn a_row_is_found_under_the_key_it_was_written_with_and_by_its_own_code_alone() {
        let code: UserCode = "WDJB-MJHT".parse().unwrap();
        let written = code.hash(&ring(1, &[])).to_vec();
        assert!(code.hashes(&ring(2, &[1])).contains(&written));
        assert!(!code.hashes(&ring(2, &[])).contains(&written));
        let other: UserCode = "WDJB-MJHV".parse().unwrap();
        assert!(!other.hashes(&ring(2, &[1])).contains(&written));
        assert_eq!(format!("{code:?}"), "UserCode(…)");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_eight_letters_and_reads_the_same_again(text in "[b-zB-Z -]{0,12}|\\PC{0,70}") {
            if let Ok(code) = text.parse::<UserCode>() {
                prop_assert_eq!(code.to_string().parse(), Ok(code));
                let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
                prop_assert_eq!(code.to_string().replace('-', ""), letters.to_ascii_uppercase());
            }
        }
    }
}
