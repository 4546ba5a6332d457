//! bcrypt of a digest of the password, as Django and passlib make it so that bcrypt's 72 bytes are enough for all of it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Django's `BCryptSHA256PasswordHasher`, in front of a bcrypt string.
const DJANGO: &str = "bcrypt_sha256$";
/// passlib's `bcrypt_sha256`.
const PASSLIB: &str = "$bcrypt-sha256$";

/// What bcrypt is fed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prehash {
    /// The password.
    None,
    /// Its SHA-256 in hexadecimal digits (Django).
    Hex,
    /// Its SHA-256 in base64 (passlib before 1.7.3).
    Base64,
    /// Its HMAC-SHA-256 under the salt, in base64 (passlib).
    Keyed(String),
}

impl Prehash {
    /// The bytes for bcrypt.
    pub(super) fn apply(&self, typed: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::None => typed.to_vec(),
            Self::Hex => Sha256::digest(typed).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
            Self::Base64 => STANDARD.encode(Sha256::digest(typed)).into_bytes(),
            Self::Keyed(salt) => match Hmac::<Sha256>::new_from_slice(salt.as_bytes()) {
                Ok(mac) => STANDARD.encode(mac.chain_update(typed).finalize().into_bytes()).into_bytes(),
                // HMAC takes a key of any length.
                Err(_) => Vec::new(),
            },
        })
    }
}

/// What comes before bcrypt, and the plain bcrypt string; that this is one is not checked. `None` for a string of
/// passlib that cannot be read.
pub(super) fn split(text: &str) -> Option<(Prehash, Cow<'_, str>)> {
    if let Some(bcrypt) = text.strip_prefix(DJANGO) {
        return Some((Prehash::Hex, Cow::Borrowed(bcrypt)));
    }
    let Some(passlib) = text.strip_prefix(PASSLIB) else { return Some((Prehash::None, Cow::Borrowed(text))) };
    let (costs, salted) = passlib.split_once('$')?;
    let (salt, digest) = salted.split_once('$')?;
    let (is_keyed, costs) = costs.strip_prefix("v=2,t=").map_or((false, costs), |costs| (true, costs));
    let (variant, rounds) = costs.split_once(if is_keyed { ",r=" } else { "," })?;
    let rounds: u32 = rounds.parse().ok()?;
    let prehash = if is_keyed { Prehash::Keyed(salt.to_owned()) } else { Prehash::Base64 };
    Some((prehash, Cow::Owned(format!("${variant}${rounds:02}${salt}{digest}"))))
}
