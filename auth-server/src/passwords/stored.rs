//! Password hashes as the database holds them: read, and bounded before anything is computed or allocated.
//!
//! A row may have been written by the old application, by an import, or by somebody with the database's password. A
//! hash that asks for gigabytes or hours is refused, not tried.

use std::borrow::Cow;

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Params, Version};

use super::derived::DerivedHash;
use super::prehash::{self, Prehash};

/// Dearest bcrypt that is checked: a second or so. The old application's default is 12.
const DEAREST_BCRYPT: u32 = 14;
const CHEAPEST_BCRYPT: u32 = 4;
/// Length of every bcrypt string.
const BCRYPT_LENGTH: usize = 60;
/// Dearest Argon2 that is checked, unless the settings ask for more: 128 MiB, and under a second in all.
const MOST_MEMORY_KIB: u32 = 131_072;
const MOST_ITERATIONS: u32 = 16;
const MOST_PARALLELISM: u32 = 16;
const MOST_WORK_KIB: u64 = 524_288;

/// Why a stored hash is not checked. Someone must repair the row; the user is refused like with a wrong password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Neither a PHC string of Argon2, PBKDF2 or scrypt nor a bcrypt string.
    #[error("it is no Argon2, bcrypt, PBKDF2 or scrypt hash in a known form")]
    Format,
    /// Its costs are outside what is checked here.
    #[error("it asks for more memory or time than is allowed")]
    TooDear,
}

/// A hash that can be checked at a bounded cost.
pub(super) enum Stored<'a> {
    /// PHC string of Argon2 (RFC 9106).
    Argon2(Box<Argon2Hash>),
    /// `$2a$`, `$2b$` or `$2y$`, and what bcrypt is fed with.
    Bcrypt { text: Cow<'a, str>, cost: u32, prehash: Prehash },
    /// PHC string of PBKDF2 or scrypt.
    Derived(Box<DerivedHash>),
}

/// The parts of an Argon2 PHC string.
pub(super) struct Argon2Hash {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) params: Params,
    pub(super) salt: Salt,
    pub(super) output: Output,
}

impl<'a> Stored<'a> {
    /// Reads `text`; `current` are the costs of new hashes, which are never too dear.
    pub(super) fn parse(text: &'a str, current: &Params) -> Result<Self, Unusable> {
        if text.starts_with("$argon2") {
            return Argon2Hash::parse(text, current).map(|hash| Self::Argon2(Box::new(hash)));
        }
        if text.starts_with("$pbkdf2-") || text.starts_with("$scrypt$") {
            return DerivedHash::parse(text).map(|hash| Self::Derived(Box::new(hash)));
        }
        let (prehash, text) = prehash::split(text).ok_or(Unusable::Format)?;
        let cost = bcrypt_cost(&text)?;
        Ok(Self::Bcrypt { text, cost, prehash })
    }
}

/// The cost of a plain bcrypt string that can be checked.
fn bcrypt_cost(text: &str) -> Result<u32, Unusable> {
    let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    if !is_bcrypt || text.len() != BCRYPT_LENGTH {
        return Err(Unusable::Format);
    }
    let cost = text.get(4..6).and_then(|cost| cost.parse().ok()).ok_or(Unusable::Format)?;
    match cost {
        0..CHEAPEST_BCRYPT => Err(Unusable::Format),
        CHEAPEST_BCRYPT..=DEAREST_BCRYPT => Ok(cost),
        _ => Err(Unusable::TooDear),
    }
}

impl Argon2Hash {
    fn parse(text: &str, current: &Params) -> Result<Self, Unusable> {
        let phc = PasswordHash::new(text).map_err(|_| Unusable::Format)?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| Unusable::Format)?;
        // Without `v=` a hash is of the first version (PHC string format, Argon2).
        let version = Version::try_from(phc.version.unwrap_or(0x10)).map_err(|_| Unusable::Format)?;
        let params = Params::try_from(&phc).map_err(|_| Unusable::Format)?;
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else { return Err(Unusable::Format) };
        let is_affordable = params.m_cost() <= MOST_MEMORY_KIB.max(current.m_cost())
            && params.t_cost() <= MOST_ITERATIONS.max(current.t_cost())
            && params.p_cost() <= MOST_PARALLELISM
            && work_kib(&params) <= MOST_WORK_KIB.max(work_kib(current));
        if !is_affordable {
            return Err(Unusable::TooDear);
        }
        Ok(Self { algorithm, version, params, salt, output })
    }
}

/// Memory times passes, which is what an Argon2 hash takes in time.
pub(super) fn work_kib(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TAIL: &str = "$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

    #[rstest]
    #[case::current("$argon2id$v=19$m=19456,t=2,p=1", None)]
    #[case::argon2_cffi("$argon2id$v=19$m=65536,t=3,p=4", None)]
    #[case::gigabytes("$argon2id$v=19$m=4194304,t=1,p=1", Some(Unusable::TooDear))]
    #[case::for_ever("$argon2id$v=19$m=8,t=4294967295,p=1", Some(Unusable::TooDear))]
    #[case::in_all("$argon2id$v=19$m=131072,t=16,p=1", Some(Unusable::TooDear))]
    #[case::many_lanes("$argon2id$v=19$m=131072,t=1,p=17", Some(Unusable::TooDear))]
    #[case::no_number("$argon2id$v=19$m=99999999999,t=1,p=1", Some(Unusable::Format))]
    #[case::other_version("$argon2id$v=20$m=19456,t=2,p=1", Some(Unusable::Format))]
    #[case::other_algorithm("$argon2x$v=19$m=19456,t=2,p=1", Some(Unusable::Format))]
    #[case::keyed("$argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA,x=1", Some(Unusable::Format))]
    fn p14_an_argon2_string_is_bounded(#[case] head: &str, #[case] refused: Option<Unusable>) {
        assert_eq!(Stored::parse(&format!("{head}{TAIL}"), &Params::DEFAULT).err(), refused);
    }

    #[rstest]
    #[case::twelve("$2b$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", None)]
    #[case::hours("$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", Some(Unusable::TooDear))]
    #[case::none("$2b$00$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", Some(Unusable::Format))]
    #[case::flawed_variant("$2x$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", Some(Unusable::Format))]
    #[case::cut("$2b$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3", Some(Unusable::Format))]
    #[case::clear_text("correct horse battery", Some(Unusable::Format))]
    #[case::empty("", Some(Unusable::Format))]
    #[case::not_ascii("$2b$1ñ$", Some(Unusable::Format))]
    #[case::django("bcrypt_sha256$$2b$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", None)]
    #[case::django_hours(
        "bcrypt_sha256$$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
        Some(Unusable::TooDear)
    )]
    #[case::passlib("$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2", None)]
    #[case::passlib_hours(
        "$bcrypt-sha256$v=2,t=2b,r=31$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
        Some(Unusable::TooDear)
    )]
    #[case::passlib_cut("$bcrypt-sha256$v=2,t=2b,r=12$n79VH", Some(Unusable::Format))]
    #[case::passlib_later(
        "$bcrypt-sha256$v=3,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
        Some(Unusable::Format)
    )]
    fn p14_a_bcrypt_string_is_bounded(#[case] text: &str, #[case] refused: Option<Unusable>) {
        assert_eq!(Stored::parse(text, &Params::DEFAULT).err(), refused);
    }
}
