//! Randomness from the system, for names and for the demo password.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};

/// 32 characters that a person can tell apart and a shell leaves alone: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// `length` characters of 5 random bits each.
///
/// # Errors
/// When the system's randomness cannot be read.
pub fn text(length: usize) -> Result<String> {
    let mut bytes = vec![0_u8; length];
    let mut source = File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    source.read_exact(&mut bytes).context("cannot read /dev/urandom")?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32))).map(|&byte| char::from(byte)).collect())
}

/// A password of 120 random bits, in four groups so that it can be read out.
///
/// # Errors
/// When the system's randomness cannot be read.
pub fn password() -> Result<String> {
    let groups: Vec<String> = (0..4).map(|_| text(6)).collect::<Result<_>>()?;
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_120_bits_and_needs_no_quotes() {
        let one = password().unwrap();
        assert_eq!(one.len(), 27);
        assert!(one.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{one}");
        assert!(!one.starts_with('-'));
        assert_ne!(one, password().unwrap());
    }
}
