//! Passwords that a machine chooses.

use zeroize::Zeroizing;

use super::{HashError, Plain};

/// Letters and digits that people do not mix up (Crockford's base 32), each worth five bits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Five groups of five: 125 bits (ASVS 6.4.1 and NIST ask for at least 112).
const CHARACTERS: usize = 25;
const GROUP: usize = 5;

/// A random password of 125 bits in the form `xxxxx-xxxxx-xxxxx-xxxxx-xxxxx`.
///
/// # Errors
/// [`HashError::Randomness`] when the system has no random bytes to give.
pub fn generate() -> Result<Plain, HashError> {
    let mut random = Zeroizing::new([0_u8; CHARACTERS]);
    getrandom::fill(random.as_mut_slice()).map_err(|_| HashError::Randomness)?;
    let mut text = String::with_capacity(CHARACTERS + CHARACTERS / GROUP);
    for (position, byte) in random.iter().enumerate() {
        if position > 0 && position % GROUP == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32, so that the remainder is as evenly spread as the byte.
        text.extend(ALPHABET.get(usize::from(*byte) % ALPHABET.len()).map(|letter| char::from(*letter)));
    }
    Plain::new(text).map_err(|_| HashError::Randomness)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn u08_a_thousand_generated_passwords_are_unique_and_of_125_bits() {
        let made: HashSet<String> = (0..1000).map(|_| generate().unwrap().expose().to_owned()).collect();
        assert_eq!(made.len(), 1000);
        for text in made {
            let letters: Vec<char> = text.chars().filter(|letter| *letter != '-').collect();
            assert_eq!((text.len(), letters.len()), (29, CHARACTERS));
            assert!(letters.iter().all(|letter| ALPHABET.contains(&u8::try_from(*letter).unwrap())));
        }
    }
}
