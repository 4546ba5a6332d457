//! From names and addresses to the places of their counters: keyed hashes, so that the tables tell nothing of who tried
//! what, and nobody can find two names that share a place.

use std::fmt;
use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::model::{DeviceId, Kind};
use crate::keys::{KEY_BYTES, KekRing, Label};

/// A keyed hash.
pub(super) type Digest = [u8; 32];
type Subkey = Zeroizing<[u8; KEY_BYTES]>;

/// The subkeys of this room.
#[derive(Clone)]
pub(super) struct Keys {
    throttle: Subkey,
    /// The current one first; devices that were met under an earlier one are known still.
    devices: Vec<Subkey>,
}

/// One counter's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) slot: i32,
}

impl Keys {
    pub(super) fn new(keks: &KekRing) -> Self {
        let devices = keks.iter().map(|kek| kek.subkey(Label::Device)).collect();
        Self { throttle: keks.current().subkey(Label::Throttle), devices }
    }

    /// The place of whatever these parts name together.
    pub(super) fn place(&self, kind: Kind, parts: &[&[u8]]) -> Place {
        let kind_number = (kind as i16).to_be_bytes();
        let parts: Vec<&[u8]> = std::iter::once(kind_number.as_slice()).chain(parts.iter().copied()).collect();
        let [high, low, ..] = digest(&self.throttle, &parts);
        Place { kind, slot: i32::from(u16::from_be_bytes([high, low])) }
    }

    /// The names under which an account may know this address and this browser: those under the current key first, the
    /// browser before the address. Nobody's account has such names too, so that looking them up takes the same time.
    pub(super) fn devices(&self, sub: Option<Uuid>, address: IpAddr, device: Option<DeviceId>) -> Vec<Digest> {
        let sub = sub.unwrap_or(Uuid::nil());
        let names = |key: &Subkey| {
            let browser = device.map(|DeviceId(id)| digest(key, &[b"browser", sub.as_bytes(), id.as_bytes()]));
            let address = digest(key, &[b"address", sub.as_bytes(), address.to_string().as_bytes()]);
            browser.into_iter().chain([address]).collect::<Vec<_>>()
        };
        self.devices.iter().flat_map(names).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Each part with its length before it, so that no two lists of parts are the same bytes.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn digest(key: &Subkey, parts: &[&[u8]]) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyEncryptionKey;

    fn keys() -> Keys {
        let kek = KeyEncryptionKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let old = KeyEncryptionKey::from_base64("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        Keys::new(&KekRing::new(kek, vec![old]))
    }

    #[test]
    fn f13_names_spread_over_the_places_and_none_lies_outside() {
        let keys = keys();
        let slot = |name: usize| keys.place(Kind::Account, &[&name.to_be_bytes()]).slot;
        let slots: std::collections::BTreeSet<i32> = (0..10_000).map(slot).collect();
        assert!(slots.iter().all(|slot| (0..65_536).contains(slot)));
        // 10,000 balls in 65,536 boxes leave about 9,280 with one.
        assert!((9_000..9_500).contains(&slots.len()), "{}", slots.len());
    }

    #[test]
    fn parts_and_kinds_are_kept_apart() {
        let keys = keys();
        let place = |kind, parts: &[&[u8]]| keys.place(kind, parts).slot;
        assert_ne!(place(Kind::Secret, &[b"ab", b"c"]), place(Kind::Secret, &[b"a", b"bc"]));
        assert_ne!(place(Kind::Account, &[b"a"]), place(Kind::Client, &[b"a"]));
    }

    #[test]
    fn devices_of_earlier_keys_stay_known_and_browsers_come_first() {
        let keys = keys();
        let (address, device) = (IpAddr::from([192, 0, 2, 1]), DeviceId(Uuid::from_u128(7)));
        let names = keys.devices(Some(Uuid::from_u128(1)), address, Some(device));
        assert_eq!(names.len(), 4);
        let without = keys.devices(Some(Uuid::from_u128(1)), address, None);
        assert_eq!(without, [names[1], names[3]]);
        assert_ne!(keys.devices(Some(Uuid::from_u128(2)), address, None), without, "each account has its own");
    }
}
