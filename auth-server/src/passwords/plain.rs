//! A password as it came from outside.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password in the clear: bounded, wiped when dropped, and never shown by `Debug`.
#[derive(Clone)]
pub struct Plain(SecretString);

/// Why a text cannot be a password at all. Neither is worth a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// Longer than [`Plain::MAX_BYTES`].
    #[error("the password is longer than {} bytes", Plain::MAX_BYTES)]
    TooLong,
    /// Holds U+0000. bcrypt repeats a key with a NUL after it, so that `a` and `a\0a` would be one password.
    #[error("the password holds a NUL character")]
    Nul,
}

impl Plain {
    /// Bytes of UTF-8 at most. The longest password that can be chosen takes a fraction of it in any encoding.
    pub const MAX_BYTES: usize = 4096;

    /// Takes a password over; it is kept as it was typed.
    ///
    /// # Errors
    /// [`PlainError`] when it is longer than [`Plain::MAX_BYTES`] or holds a NUL.
    pub fn new(text: String) -> Result<Self, PlainError> {
        let text = Zeroizing::new(text);
        if text.len() > Self::MAX_BYTES {
            return Err(PlainError::TooLong);
        }
        if text.contains('\0') {
            return Err(PlainError::Nul);
        }
        Ok(Self(SecretString::from(text.as_str())))
    }

    /// The password itself, for the one screen that may show it: a generated one, once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The NFC form, which is what Argon2id hashes are made of.
    pub(super) fn normalised(&self) -> Zeroizing<String> {
        let typed = self.0.expose_secret();
        // Room for the worst case (three times, Unicode Standard Annex 15 section 9), so that no copy is left behind.
        let mut composed = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(3)));
        composed.extend(typed.nfc());
        composed
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p06_a_password_is_bounded_before_anything_is_computed() {
        assert!(Plain::new("x".repeat(Plain::MAX_BYTES)).is_ok());
        assert_eq!(Plain::new("x".repeat(Plain::MAX_BYTES + 1)).unwrap_err(), PlainError::TooLong);
        assert_eq!(Plain::new("a\0a".to_owned()).unwrap_err(), PlainError::Nul);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Plain::new("hunter2".to_owned()).unwrap()), "Plain(…)");
    }

    #[test]
    fn p05_only_the_composition_is_normalised() {
        let normalised = |text: &str| Plain::new(text.to_owned()).unwrap().normalised().to_string();
        assert_eq!(normalised("e\u{301}"), "é");
        assert_eq!(normalised(" Ａb\u{a0}ﬁ "), " Ａb\u{a0}ﬁ ");
    }
}
