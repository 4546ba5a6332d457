//! Values that a browser carries for us, in an address or a hidden field, and that come back unchanged or not at all.
//!
//! A sealed value is `kek_id.payload.mac`: JSON in base64url that anybody may read, and an HMAC-SHA256 under a subkey of
//! the key encryption key. What it is for goes into the MAC, so that one is never taken for another, and so does its
//! time: it is good for [`LIFE`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::keys::{KekRing, KeyEncryptionKey, Label};
use crate::limits::DeviceId;

/// How long a page may stay open before its form is too old.
pub const LIFE: TimeDelta = TimeDelta::hours(1);

/// What a sealed value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Where a login goes on.
    Return,
    /// A request that waits for a person's consent.
    Consent,
    /// What a consent page has shown.
    Shown,
    /// A device's code on its way through the login page.
    Typed,
    /// What a device's page has shown.
    DeviceShown,
    /// A logout that waits for a person's confirmation.
    Logout,
    /// The proof that a form is our own.
    Csrf,
    /// The id of a device; without an end, it allows nothing.
    Device,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Return => b"return v1",
            Self::Consent => b"consent v1",
            Self::Shown => b"shown v1",
            Self::Typed => b"typed v1",
            Self::DeviceShown => b"device shown v1",
            Self::Logout => b"logout v1",
            Self::Csrf => b"csrf v1",
            Self::Device => b"device v1",
        }
    }
}

/// A value that was not sealed here for this purpose, was changed, or is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value was not sealed here, was changed, or is too old")]
pub struct Broken;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    /// Seconds since 1970.
    at: i64,
    value: T,
}

/// Seals and opens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seals(KekRing);

impl Seals {
    /// Under these keys; the earlier ones still open.
    #[must_use]
    pub const fn new(keks: KekRing) -> Self {
        Self(keks)
    }

    /// The text that [`Seals::open`] reads.
    pub fn seal<T: Serialize>(&self, purpose: Purpose, value: &T, now: DateTime<Utc>) -> String {
        let envelope = serde_json::to_vec(&Envelope { at: now.timestamp(), value }).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.encode(envelope);
        let kek = self.0.current();
        let mac = mac(kek, purpose, &[payload.as_bytes()]).finalize().into_bytes();
        format!("{}.{payload}.{}", kek.id(), URL_SAFE_NO_PAD.encode(mac))
    }

    /// What was sealed for this purpose within [`LIFE`].
    ///
    /// # Errors
    /// [`Broken`].
    pub fn open<T: DeserializeOwned>(&self, purpose: Purpose, text: &str, now: DateTime<Utc>) -> Result<T, Broken> {
        let mut parts = text.split('.');
        let (Some(kek_id), Some(payload), Some(tag), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Broken);
        };
        self.check(kek_id, purpose, &[payload.as_bytes()], tag)?;
        let envelope = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Broken)?;
        let Envelope { at, value } = serde_json::from_slice(&envelope).map_err(|_| Broken)?;
        if is_fresh(at, now) { Ok(value) } else { Err(Broken) }
    }

    /// A proof that names nothing: `kek_id.seconds.mac` over parts that both sides know.
    pub(super) fn prove(&self, purpose: Purpose, parts: &[&[u8]], now: DateTime<Utc>) -> String {
        let at = now.timestamp().to_string();
        let kek = self.0.current();
        let mut all = vec![at.as_bytes()];
        all.extend_from_slice(parts);
        let mac = mac(kek, purpose, &all).finalize().into_bytes();
        format!("{}.{at}.{}", kek.id(), URL_SAFE_NO_PAD.encode(mac))
    }

    /// Whether [`Seals::prove`] gave this out for the same parts within [`LIFE`].
    pub(super) fn check_proof(
        &self,
        purpose: Purpose,
        parts: &[&[u8]],
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Broken> {
        let mut pieces = text.split('.');
        let (Some(kek_id), Some(at), Some(tag), None) = (pieces.next(), pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(Broken);
        };
        let mut all = vec![at.as_bytes()];
        all.extend_from_slice(parts);
        self.check(kek_id, purpose, &all, tag)?;
        let at = at.parse().map_err(|_| Broken)?;
        if is_fresh(at, now) { Ok(()) } else { Err(Broken) }
    }

    /// A device's id as its cookie holds it.
    #[must_use]
    pub fn seal_device(&self, device: DeviceId) -> String {
        let (kek, id) = (self.0.current(), device.0.to_string());
        let mac = mac(kek, Purpose::Device, &[id.as_bytes()]).finalize().into_bytes();
        format!("{}.{id}.{}", kek.id(), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The device that a cookie of ours names.
    #[must_use]
    pub fn open_device(&self, text: &str) -> Option<DeviceId> {
        let mut parts = text.split('.');
        let (kek_id, id, tag) = (parts.next()?, parts.next()?, parts.next()?);
        self.check(kek_id, Purpose::Device, &[id.as_bytes()], tag).ok()?;
        id.parse().ok().filter(|_| parts.next().is_none()).map(DeviceId)
    }

    fn check(&self, kek_id: &str, purpose: Purpose, parts: &[&[u8]], tag: &str) -> Result<(), Broken> {
        let kek = self.0.find(kek_id).ok_or(Broken)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| Broken)?;
        mac(kek, purpose, parts).verify_slice(&tag).map_err(|_| Broken)
    }
}

fn is_fresh(at: i64, now: DateTime<Utc>) -> bool {
    let age = now.timestamp().saturating_sub(at);
    // Replicas' clocks differ a little.
    (-60..=LIFE.num_seconds()).contains(&age)
}

/// Each part behind its length, so that no two lists of parts are one text.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(kek: &KeyEncryptionKey, purpose: Purpose, parts: &[&[u8]]) -> Hmac<Sha256> {
    let key = kek.subkey(Label::Cookie);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
    for part in std::iter::once(purpose.label()).chain(parts.iter().copied()) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn seals(byte: u8, previous: &[u8]) -> Seals {
        let key = |byte: u8| {
            let mut bytes = [byte; 32];
            bytes[0] = 0;
            SecretString::from(base64::engine::general_purpose::STANDARD.encode(bytes))
        };
        let previous: Vec<SecretString> = previous.iter().map(|byte| key(*byte)).collect();
        Seals::new(KekRing::from_settings(Some(&key(byte)), &previous).unwrap())
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn what_was_sealed_comes_back_for_its_purpose_in_its_time_alone() {
        let sealed = seals(1, &[]).seal(Purpose::Return, &"value", now());
        let open = |seals: Seals, purpose, later: i64| {
            seals.open::<String>(purpose, &sealed, now() + TimeDelta::seconds(later))
        };
        assert_eq!(open(seals(1, &[]), Purpose::Return, 3600), Ok("value".to_owned()));
        assert_eq!(open(seals(2, &[1]), Purpose::Return, 0), Ok("value".to_owned()), "after the key was changed");
        assert_eq!(open(seals(2, &[]), Purpose::Return, 0), Err(Broken));
        assert_eq!(open(seals(1, &[]), Purpose::Consent, 0), Err(Broken));
        assert_eq!(open(seals(1, &[]), Purpose::Return, 3601), Err(Broken));
        assert_eq!(open(seals(1, &[]), Purpose::Return, -61), Err(Broken));
    }

    #[test]
    fn a_changed_value_is_none() {
        let seals = seals(1, &[]);
        let sealed = seals.seal(Purpose::Shown, &"movies:read", now());
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(seals.open::<String>(Purpose::Shown, &changed, now()), Err(Broken), "{changed}");
        }
        for text in ["", ".", "..", "...", &format!("{sealed}."), &format!("{sealed}.x")] {
            assert_eq!(seals.open::<String>(Purpose::Shown, text, now()), Err(Broken), "{text}");
        }
    }

    #[test]
    fn a_device_is_known_by_its_signed_id_alone() {
        let device = DeviceId(uuid::Uuid::new_v4());
        let text = seals(1, &[]).seal_device(device);
        assert_eq!(seals(2, &[1]).open_device(&text), Some(device));
        for other in [text.replacen('.', ".0", 1), format!("{text}.x"), device.0.to_string(), String::new()] {
            assert_eq!(seals(1, &[]).open_device(&other), None, "{other}");
        }
        assert_eq!(seals(2, &[]).open_device(&text), None);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let seals = seals(1, &[]);
        let proof = seals.prove(Purpose::Csrf, &[b"ab", b"c"], now());
        assert_eq!(seals.check_proof(Purpose::Csrf, &[b"ab", b"c"], &proof, now()), Ok(()));
        assert_eq!(seals.check_proof(Purpose::Csrf, &[b"a", b"bc"], &proof, now()), Err(Broken));
        assert_eq!(seals.check_proof(Purpose::Csrf, &[b"abc"], &proof, now()), Err(Broken));
    }
}
