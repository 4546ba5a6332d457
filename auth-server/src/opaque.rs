//! The opaque secrets that this server gives out with an end: a prefix that tells their kind, then base64url of four
//! bytes, the end in seconds since 1970, and 256 random bits.
//!
//! The end stands in the text so that a lookup touches the one partition that can hold the row; that it is true, only a
//! row says. A text has one spelling, and the database has its SHA-256 alone.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const END_BYTES: usize = 4;
/// Random bytes of each.
pub const SECRET_BYTES: usize = 32;
const BYTES: usize = END_BYTES + SECRET_BYTES;

/// A kind of secret.
pub trait Kind {
    /// What Debug prints in place of one.
    const NAME: &'static str;
    /// What each begins with, for scanners of leaked secrets.
    const PREFIX: &'static str;
}

/// The text is no such secret of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {0} of this server")]
pub struct Malformed(&'static str);

/// A secret and its end. Debug prints neither.
pub struct Opaque<K> {
    bytes: Zeroizing<[u8; BYTES]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Opaque<K> {
    /// One with a new secret that ends at `expires_at`, whose fraction of a second is dropped.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(expires_at: DateTime<Utc>) -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0_u8; SECRET_BYTES]);
        getrandom::fill(secret.as_mut_slice())?;
        Ok(Self::new(whole_seconds(expires_at), &secret))
    }

    /// The one with this end, in seconds since 1970, and this secret.
    #[must_use]
    pub fn new(expiry: u32, secret: &[u8; SECRET_BYTES]) -> Self {
        let mut bytes = Zeroizing::new([0_u8; BYTES]);
        let (front, back) = bytes.split_at_mut(END_BYTES);
        front.copy_from_slice(&expiry.to_be_bytes());
        back.copy_from_slice(secret);
        Self { bytes, kind: PhantomData }
    }

    /// Reads what [`Opaque::text`] wrote, and no other spelling of it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        const { assert!(!K::PREFIX.is_empty(), "a kind is told by its prefix") };
        let malformed = Malformed(K::NAME);
        let encoded = text.strip_prefix(K::PREFIX).ok_or(malformed)?;
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| malformed)?);
        let bytes: [u8; BYTES] = decoded.as_slice().try_into().map_err(|_| malformed)?;
        Ok(Self { bytes: Zeroizing::new(bytes), kind: PhantomData })
    }

    /// Whether a text means to be one.
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        text.starts_with(K::PREFIX)
    }

    /// As whoever asked for it gets it, once.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", K::PREFIX, URL_SAFE_NO_PAD.encode(self.bytes.as_slice()))
    }

    /// What the row holds in its place.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.bytes.as_slice()).into()
    }

    /// When it ends, whoever made it: only a row makes that true.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.expiry().into())
    }

    /// The same in seconds since 1970.
    #[must_use]
    pub fn expiry(&self) -> u32 {
        self.bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// The random bytes alone, to derive others from.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        self.bytes.split_at(END_BYTES).1
    }
}

impl<K> Clone for Opaque<K> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), kind: PhantomData }
    }
}

impl<K: Kind> fmt::Debug for Opaque<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opaque({}, …)", K::NAME)
    }
}

/// Seconds since 1970; good until the year 2106.
#[must_use]
pub fn whole_seconds(at: DateTime<Utc>) -> u32 {
    u32::try_from(at.timestamp().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Ticket {}

    impl Kind for Ticket {
        const NAME: &'static str = "ticket";
        const PREFIX: &'static str = "urn:ticket:t1_";
    }

    proptest! {
        #[test]
        fn a_secret_has_one_spelling_and_tells_its_end(expiry: u32, secret: [u8; 32]) {
            let made = Opaque::<Ticket>::new(expiry, &secret);
            let read = Opaque::<Ticket>::parse(&made.text()).unwrap();
            prop_assert_eq!((read.text(), read.hash()), (made.text(), made.hash()));
            prop_assert_eq!(read.expires_at().timestamp(), i64::from(expiry));
            prop_assert_eq!(read.secret(), secret.as_slice());
        }

        #[test]
        fn whatever_is_read_is_written_the_same(text in "(urn:ticket:)?(t1_)?[A-Za-z0-9_=+/-]{0,60}") {
            if let Ok(read) = Opaque::<Ticket>::parse(&text) {
                prop_assert_eq!(read.text(), text);
            }
        }
    }

    #[test]
    fn each_is_new_and_ends_on_a_whole_second() {
        let end = DateTime::from_timestamp(1_800_000_000, 5).unwrap();
        let made = Opaque::<Ticket>::generate(end).unwrap();
        assert_eq!(made.expires_at().timestamp_nanos_opt(), Some(1_800_000_000_000_000_000));
        assert_ne!(Opaque::<Ticket>::generate(end).unwrap().hash(), made.hash());
    }

    #[test]
    fn debug_and_errors_print_nothing_of_it() {
        let made = Opaque::<Ticket>::new(1, &[7; 32]);
        assert_eq!(format!("{made:?}"), "Opaque(ticket, …)");
        assert_eq!(Opaque::<Ticket>::parse("mrt1_AAAA").unwrap_err().to_string(), "not a ticket of this server");
    }
}
