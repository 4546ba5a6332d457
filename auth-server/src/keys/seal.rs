//! Private keys at rest: AES-256-GCM under the wrap subkey, bound to the row that they stand in.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use shared::token::keys::Algorithm;
use zeroize::Zeroizing;

use super::kek::{KekRing, KeyEncryptionKey, Label};

/// Bytes of a nonce (NIST SP 800-38D: 96 bits). Random: a key encryption key seals a handful of rows in its life.
const NONCE_BYTES: usize = 12;

/// A private key as a row holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// AES-256-GCM ciphertext and tag of the PKCS#8 DER.
    pub ciphertext: Vec<u8>,
    /// The nonce that it was sealed with.
    pub nonce: Vec<u8>,
    /// Which key encryption key sealed it.
    pub kek_id: String,
}

/// Why a private key at rest cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The row was sealed under a key encryption key that is not configured.
    #[error("it is sealed under key encryption key {0}, which is not configured")]
    UnknownKek(String),
    /// The key is known and does not fit: the row was altered, or its parts belong to another row.
    #[error("key encryption key {0} does not open it: the row was altered or mixed up")]
    Broken(String),
    /// The system's source of randomness, or the cipher, failed.
    #[error("it cannot be sealed")]
    Failed,
}

/// Seals `pkcs8` for the row `kid`, `algorithm` under the current key encryption key.
///
/// # Errors
/// [`SealError::Failed`] when there is no randomness.
pub fn seal(keks: &KekRing, kid: &str, algorithm: Algorithm, pkcs8: &[u8]) -> Result<Sealed, SealError> {
    let kek = keks.current();
    let mut nonce = [0_u8; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| SealError::Failed)?;
    let payload = Payload { msg: pkcs8, aad: &associated_data(kid, algorithm) };
    let ciphertext = cipher(kek).encrypt(&nonce.into(), payload).map_err(|_| SealError::Failed)?;
    Ok(Sealed { ciphertext, nonce: nonce.to_vec(), kek_id: kek.id().to_owned() })
}

/// Opens what stands in the row `kid`, `algorithm`: the PKCS#8 DER.
///
/// # Errors
/// [`SealError::UnknownKek`] or [`SealError::Broken`], both naming the key encryption key.
pub fn open(keks: &KekRing, kid: &str, algorithm: Algorithm, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let kek = keks.find(&sealed.kek_id).ok_or_else(|| SealError::UnknownKek(sealed.kek_id.clone()))?;
    let broken = || SealError::Broken(sealed.kek_id.clone());
    let nonce: [u8; NONCE_BYTES] = sealed.nonce.as_slice().try_into().map_err(|_| broken())?;
    let payload = Payload { msg: &sealed.ciphertext, aad: &associated_data(kid, algorithm) };
    cipher(kek).decrypt(&nonce.into(), payload).map(Zeroizing::new).map_err(|_| broken())
}

fn cipher(kek: &KeyEncryptionKey) -> Aes256Gcm {
    Aes256Gcm::new((&*kek.subkey(Label::Wrap)).into())
}

/// Table, kid and algorithm, each after its length, so that no two rows share one encoding.
fn associated_data(kid: &str, algorithm: Algorithm) -> Vec<u8> {
    let mut data = Vec::new();
    for part in ["signing_keys", kid, algorithm.as_str()] {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kek() -> KeyEncryptionKey {
        KeyEncryptionKey::from_base64(&super::super::kek::new_secret().unwrap()).unwrap()
    }

    #[test]
    fn a_previous_key_still_opens_and_a_strange_one_is_named() {
        let old = kek();
        let sealed = seal(&KekRing::new(old.clone(), Vec::new()), "k1", Algorithm::Es256, b"secret").unwrap();
        let rotated = KekRing::new(kek(), vec![kek(), old.clone()]);
        assert_eq!(*open(&rotated, "k1", Algorithm::Es256, &sealed).unwrap(), b"secret");

        let strange = open(&KekRing::new(kek(), Vec::new()), "k1", Algorithm::Es256, &sealed);
        assert_eq!(strange.unwrap_err(), SealError::UnknownKek(old.id().to_owned()));
    }

    #[test]
    fn it_opens_only_in_its_own_row_and_unaltered() {
        let keks = KekRing::new(kek(), Vec::new());
        let sealed = seal(&keks, "k1", Algorithm::Es256, b"secret").unwrap();
        let broken = Err(SealError::Broken(sealed.kek_id.clone()));
        assert_eq!(open(&keks, "k2", Algorithm::Es256, &sealed), broken);
        assert_eq!(open(&keks, "k1", Algorithm::EdDsa, &sealed), broken);
        for position in 0..sealed.ciphertext.len() {
            let mut altered = sealed.clone();
            *altered.ciphertext.get_mut(position).unwrap() ^= 1;
            assert_eq!(open(&keks, "k1", Algorithm::Es256, &altered), broken);
        }
    }

    #[test]
    fn equal_keys_seal_differently_each_time() {
        let keks = KekRing::new(kek(), Vec::new());
        let sealed = || seal(&keks, "k1", Algorithm::Es256, b"secret").unwrap();
        assert_ne!(sealed(), sealed());
    }
}
