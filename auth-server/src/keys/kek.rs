//! The key encryption key: 32 bytes from outside, of which only labelled subkeys are ever used.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a key encryption key and of each of its subkeys.
pub const KEY_BYTES: usize = 32;

/// Takes base64 with or without its padding, and nothing after the last bit.
const LENIENT_PADDING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a subkey is for. Each purpose has its own, so that nothing made with one can be used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Encrypts signing keys at rest.
    Wrap,
    /// Derives the successor of a refresh token.
    Refresh,
    /// Signs cookies.
    Cookie,
    /// Hashes known devices.
    Device,
    /// Hashes names that are throttled.
    Throttle,
    /// Proves checkpoints of the audit log.
    Audit,
    /// Makes nonces for DPoP proofs.
    Dpop,
    /// Names the key itself in rows (`kek_id`).
    Id,
}

impl Label {
    /// HKDF's `info`. Changing one makes everything made under it unreadable.
    const fn info(self) -> &'static [u8] {
        match self {
            Self::Wrap => b"myapi kek v1 wrap",
            Self::Refresh => b"myapi kek v1 refresh",
            Self::Cookie => b"myapi kek v1 cookie",
            Self::Device => b"myapi kek v1 device",
            Self::Throttle => b"myapi kek v1 throttle",
            Self::Audit => b"myapi kek v1 audit",
            Self::Dpop => b"myapi kek v1 dpop",
            Self::Id => b"myapi kek v1 id",
        }
    }
}

/// Why a text is not a key encryption key. No message repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KekError {
    /// Nothing there.
    #[error("the key encryption key is empty; make one with `auth-server key new-secret`")]
    Empty,
    /// Not standard base64.
    #[error("the key encryption key is not base64; make one with `auth-server key new-secret`")]
    NotBase64,
    /// Base64 of fewer or more than 32 bytes.
    #[error("the key encryption key has {0} bytes instead of 32; make one with `auth-server key new-secret`")]
    Length(usize),
    /// One byte, 32 times: a placeholder.
    #[error(
        "the key encryption key is one byte repeated, which is no secret; make one with `auth-server key new-secret`"
    )]
    Repeated,
}

/// A key encryption key. Cheap to clone, wiped when the last clone goes, printed by nothing.
#[derive(Clone)]
pub struct KeyEncryptionKey {
    secret: Arc<Zeroizing<[u8; KEY_BYTES]>>,
    id: Arc<str>,
}

impl KeyEncryptionKey {
    /// Reads the base64 (standard alphabet) of exactly 32 bytes; white space around it is ignored.
    ///
    /// # Errors
    /// [`KekError`], whose text says how to make a proper one.
    pub fn from_base64(text: &str) -> Result<Self, KekError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KekError::Empty);
        }
        let bytes = Zeroizing::new(LENIENT_PADDING.decode(text).map_err(|_| KekError::NotBase64)?);
        let found = bytes.len();
        let secret: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| KekError::Length(found))?;
        let secret = Zeroizing::new(secret);
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err(KekError::Repeated);
        }
        Ok(Self::new(secret))
    }

    fn new(secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut id = [0; 8];
        expand(&secret, Label::Id, &mut id);
        Self { secret: Arc::new(secret), id: format!("{:016x}", u64::from_be_bytes(id)).into() }
    }

    /// Which key this is, as rows hold it: 16 hexadecimal digits that tell nothing of the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The subkey for one purpose (HKDF-SHA256, RFC 5869, no salt).
    #[must_use]
    pub fn subkey(&self, label: Label) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut subkey = Zeroizing::new([0; KEY_BYTES]);
        expand(&self.secret, label, subkey.as_mut_slice());
        subkey
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyEncryptionKey(…)")
    }
}

#[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8,160 bytes; at most 32 are asked")]
fn expand(secret: &[u8; KEY_BYTES], label: Label, output: &mut [u8]) {
    Hkdf::<Sha256>::new(None, secret).expand(label.info(), output).expect("a subkey is at most 32 bytes long");
}

/// Makes a key encryption key, as the base64 that [`KeyEncryptionKey::from_base64`] reads.
///
/// # Errors
/// The system's source of randomness failed.
pub fn new_secret() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut secret = Zeroizing::new([0_u8; KEY_BYTES]);
    getrandom::fill(secret.as_mut_slice())?;
    Ok(Zeroizing::new(STANDARD.encode(secret.as_slice())))
}

/// Why the configured key encryption keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KekRingError {
    /// No current one.
    #[error(
        "MYAPI_AUTH__KEY_ENCRYPTION_KEY is not set: it opens the signing keys; make one with `auth-server key new-secret`"
    )]
    Missing,
    /// The current one.
    #[error("MYAPI_AUTH__KEY_ENCRYPTION_KEY: {0}")]
    Current(KekError),
    /// An earlier one, counted from 1.
    #[error("MYAPI_AUTH__KEY_ENCRYPTION_KEY_PREVIOUS, key {0}: {1}")]
    Previous(usize, KekError),
}

/// The current key encryption key and those before it, which still open what they sealed.
#[derive(Clone, Debug)]
pub struct KekRing {
    current: KeyEncryptionKey,
    previous: Vec<KeyEncryptionKey>,
}

impl KekRing {
    /// `current` seals; it and `previous` (newest first) open.
    #[must_use]
    pub const fn new(current: KeyEncryptionKey, previous: Vec<KeyEncryptionKey>) -> Self {
        Self { current, previous }
    }

    /// Reads the settings: the current key, and the earlier ones, newest first.
    ///
    /// # Errors
    /// [`KekRingError`] names the variable.
    pub fn from_settings(current: Option<&SecretString>, previous: &[SecretString]) -> Result<Self, KekRingError> {
        let current = current.ok_or(KekRingError::Missing)?;
        let current = KeyEncryptionKey::from_base64(current.expose_secret()).map_err(KekRingError::Current)?;
        let read = |(at, text): (usize, &SecretString)| {
            KeyEncryptionKey::from_base64(text.expose_secret()).map_err(|error| KekRingError::Previous(at + 1, error))
        };
        let previous = previous.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { current, previous })
    }

    /// The key that seals.
    #[must_use]
    pub const fn current(&self) -> &KeyEncryptionKey {
        &self.current
    }

    /// All keys, the one that seals first.
    pub fn iter(&self) -> impl Iterator<Item = &KeyEncryptionKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// The key that a row names, if it is known here.
    #[must_use]
    pub fn find(&self, kek_id: &str) -> Option<&KeyEncryptionKey> {
        self.iter().find(|kek| kek.id() == kek_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_new_secret_is_read_back_and_differs_each_time() {
        let (one, two) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(*one, *two);
        KeyEncryptionKey::from_base64(&one).unwrap();
    }

    #[rstest::rstest]
    #[case::empty(" \n", KekError::Empty)]
    #[case::not_base64("correct horse battery staple", KekError::NotBase64)]
    #[case::short("AAECAwQFBgcICQoLDA0ODw==", KekError::Length(16))]
    #[case::long("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", KekError::Length(33))]
    #[case::zeroes("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", KekError::Repeated)]
    fn what_is_no_secret_is_refused_with_the_way_to_make_one(#[case] text: &str, #[case] expected: KekError) {
        let refused = KeyEncryptionKey::from_base64(text).unwrap_err();
        assert_eq!(refused, expected);
        assert!(refused.to_string().contains("`auth-server key new-secret`"));
    }

    #[test]
    fn subkeys_are_fixed_for_ever_and_differ_by_label() {
        let kek = KeyEncryptionKey::from_base64(TEXT).unwrap();
        let labels = [
            Label::Wrap,
            Label::Refresh,
            Label::Cookie,
            Label::Device,
            Label::Throttle,
            Label::Audit,
            Label::Dpop,
            Label::Id,
        ];
        let mut subkeys = labels.map(|label| STANDARD.encode(kek.subkey(label).as_slice())).to_vec();
        // Computed with another HKDF (Python's hmac).
        assert_eq!(kek.id(), "c0e6c10de934d639");
        assert_eq!(subkeys.first().unwrap(), "UeSvFwTK5oVORaOZGBc6eiHll8Yvgt4eV7fTpasLA2o=");
        subkeys.sort();
        subkeys.dedup();
        assert_eq!(subkeys.len(), labels.len());
    }

    #[test]
    fn settings_that_do_not_fit_are_named() {
        let secret = |text: &str| SecretString::from(text);
        assert_eq!(KekRing::from_settings(None, &[]).unwrap_err(), KekRingError::Missing);
        let empty = KekRing::from_settings(Some(&secret("")), &[]).unwrap_err();
        assert_eq!(empty, KekRingError::Current(KekError::Empty));
        let second = KekRing::from_settings(Some(&secret(TEXT)), &[secret(TEXT), secret("AAAA")]).unwrap_err();
        assert_eq!(second, KekRingError::Previous(2, KekError::Length(3)));
    }

    #[test]
    fn debug_prints_nothing_of_it() {
        let ring = KekRing::new(KeyEncryptionKey::from_base64(TEXT).unwrap(), Vec::new());
        assert_eq!(format!("{ring:?}"), "KekRing { current: KeyEncryptionKey(…), previous: [] }");
    }
}
