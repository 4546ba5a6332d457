//! Nonces for proofs (RFC 9449 section 8): whoever has one has talked to us within the last minutes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keys::{KekRing, Label};

/// Seconds until there is another one.
const PERIOD: i64 = 60;
/// How many of them before the present one are good, too.
const EARLIER: u32 = 2;
/// A replica whose clock is ahead of ours gives out the next one already.
const LATER: u32 = 1;
/// Bytes of the number of its period, and of its code.
const NUMBER_BYTES: usize = 4;
const CODE_BYTES: usize = 16;

/// What makes them. No secret goes out: it is a MAC over the time.
pub struct Nonces {
    /// Subkeys; the first one makes.
    keys: Vec<Zeroizing<[u8; 32]>>,
}

impl Nonces {
    /// By these keys; the current one makes them, the earlier ones recognise theirs.
    #[must_use]
    pub fn new(keks: &KekRing) -> Self {
        Self { keys: keks.iter().map(|kek| kek.subkey(Label::Dpop)).collect() }
    }

    /// The present one: 27 characters.
    #[must_use]
    pub fn current(&self, now: DateTime<Utc>) -> String {
        let number = period(now).to_be_bytes();
        let mut nonce = [0; NUMBER_BYTES + CODE_BYTES];
        let (front, back) = nonce.split_at_mut(NUMBER_BYTES);
        front.copy_from_slice(&number);
        if let Some(key) = self.keys.first() {
            let code = mac(key, number).finalize().into_bytes();
            back.copy_from_slice(code.as_slice().split_at(CODE_BYTES).0);
        }
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Whether one of ours gave it out, not long ago.
    #[must_use]
    pub fn accepts(&self, nonce: &str, now: DateTime<Utc>) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Ok(bytes) = <[u8; NUMBER_BYTES + CODE_BYTES]>::try_from(bytes) else { return false };
        let Some((number, code)) = bytes.split_first_chunk::<NUMBER_BYTES>() else { return false };
        let present = period(now);
        let good = present.saturating_sub(EARLIER)..=present.saturating_add(LATER);
        good.contains(&u32::from_be_bytes(*number))
            // In constant time.
            && self.keys.iter().any(|key| mac(key, *number).verify_truncated_left(code).is_ok())
    }
}

fn period(now: DateTime<Utc>) -> u32 {
    u32::try_from(now.timestamp() / PERIOD).unwrap_or_default()
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(key: &Zeroizing<[u8; 32]>, number: [u8; NUMBER_BYTES]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
    mac.update(b"dpop nonce v1");
    mac.update(&number);
    mac
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::keys::KeyEncryptionKey;

    fn ring(current: u8, previous: &[u8]) -> KekRing {
        let kek = |byte: &u8| {
            let mut bytes = [*byte; 32];
            bytes[0] = 0;
            KeyEncryptionKey::from_base64(&STANDARD.encode(bytes)).unwrap()
        };
        KekRing::new(kek(&current), previous.iter().map(kek).collect())
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn every_replica_takes_it_for_two_minutes_at_least_and_three_at_most() {
        let (one, other) = (Nonces::new(&ring(1, &[])), Nonces::new(&ring(1, &[])));
        for made in [0, 30, 59] {
            let nonce = one.current(at(made));
            assert_eq!((nonce.len(), one.current(at(0)) == nonce), (27, true));
            for good in [made, made + 60, made + 120, -1, -60] {
                assert!(other.accepts(&nonce, at(good)), "{made} {good}");
            }
            for bad in [made + 180, 3600, -61] {
                assert!(!other.accepts(&nonce, at(bad)), "{made} {bad}");
            }
        }
        assert_ne!(one.current(at(60)), one.current(at(0)));
    }

    #[test]
    fn it_survives_a_change_of_the_key_and_no_other_key_makes_it() {
        let nonce = Nonces::new(&ring(1, &[])).current(at(0));
        assert!(Nonces::new(&ring(2, &[1])).accepts(&nonce, at(0)));
        assert!(!Nonces::new(&ring(2, &[])).accepts(&nonce, at(0)));
        assert!(!Nonces::new(&ring(1, &[])).accepts(&nonce, at(0) + TimeDelta::days(1)));
    }

    proptest! {
        #[test]
        fn nothing_else_is_taken(text in "\\PC{0,40}|[A-Za-z0-9_-]{27}", change in 0_usize..20, by in 1_u8..) {
            let nonces = Nonces::new(&ring(1, &[2]));
            prop_assert!(!nonces.accepts(&text, at(0)));
            let mut bytes = URL_SAFE_NO_PAD.decode(nonces.current(at(0))).unwrap();
            bytes[change] ^= by;
            prop_assert!(!nonces.accepts(&URL_SAFE_NO_PAD.encode(bytes), at(0)));
        }
    }
}
