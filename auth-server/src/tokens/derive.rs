//! The one successor of a refresh token, derived so that it can be derived again.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::model::RefreshToken;
use crate::keys::{KeyEncryptionKey, Label};

/// Bytes of the salt in a spent token's row.
pub(super) const SALT_BYTES: usize = 32;

/// The successor of `presented` in its family that ends at `expiry`, under this key and this row's salt.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length, HKDF-SHA256 gives up to 8,160 bytes")]
pub(super) fn successor(
    kek: &KeyEncryptionKey,
    salt: &[u8],
    presented: &RefreshToken,
    family_id: Uuid,
    expiry: u32,
) -> RefreshToken {
    let subkey = kek.subkey(Label::Refresh);
    let mut mac = Hmac::<Sha256>::new_from_slice(subkey.as_slice()).expect("HMAC takes keys of any length");
    mac.update(salt);
    let salt = mac.finalize().into_bytes();
    let mut secret = Zeroizing::new([0_u8; 32]);
    Hkdf::<Sha256>::new(Some(salt.as_slice()), presented.secret())
        .expand_multi_info(&[b"refresh v1", family_id.as_bytes(), &expiry.to_be_bytes()], secret.as_mut_slice())
        .expect("32 bytes are asked");
    RefreshToken::new(expiry, &secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kek(byte: u8) -> KeyEncryptionKey {
        use base64::Engine as _;
        let mut bytes = [byte; 32];
        bytes[0] = 0;
        KeyEncryptionKey::from_base64(&base64::engine::general_purpose::STANDARD.encode(bytes)).unwrap()
    }

    #[test]
    fn everything_that_goes_in_changes_what_comes_out() {
        let token = RefreshToken::new(1000, &[1; 32]);
        let family = Uuid::from_u128(1);
        let first = successor(&kek(1), &[9; 32], &token, family, 2000).text();
        assert_eq!(first, successor(&kek(1), &[9; 32], &token, family, 2000).text(), "it can be derived again");
        let others = [
            successor(&kek(2), &[9; 32], &token, family, 2000),
            successor(&kek(1), &[8; 32], &token, family, 2000),
            successor(&kek(1), &[9; 32], &RefreshToken::new(1000, &[2; 32]), family, 2000),
            successor(&kek(1), &[9; 32], &token, Uuid::from_u128(2), 2000),
            successor(&kek(1), &[9; 32], &token, family, 2001),
        ];
        for other in others {
            assert_ne!(other.secret(), RefreshToken::parse(&first).unwrap().secret());
        }
    }

    /// Computed with another HKDF and HMAC (Python's hmac).
    #[test]
    fn the_derivation_is_fixed_for_ever() {
        let token = RefreshToken::new(1000, &[1; 32]);
        let derived = successor(&kek(1), &[9; 32], &token, Uuid::from_u128(1), 2000);
        assert_eq!(derived.text(), "mrt1_AAAH0A-XYbjE6v34jIBi4vjSdsefAK-SROaOUutudKgj6tHi");
    }
}
