//! PBKDF2 and scrypt: hashes that came by an import and become Argon2id at the next login. Their form here is the PHC
//! string: `$pbkdf2-sha256$i=600000,l=32$salt$hash` (also `-sha1`, `-sha512`) and `$scrypt$ln=15,r=8,p=1$salt$hash`.

use std::num::NonZeroU32;

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use aws_lc_rs::pbkdf2;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashError, Unusable};

/// Dearest PBKDF2 that is checked: a second or so. Django's default of 2025 is 1,000,000 with SHA-256, Keycloak's 210,000
/// with SHA-512, a round of which takes twice as long.
const MOST_ROUNDS: u32 = 2_000_000;
const MOST_ROUNDS_SHA512: u32 = 1_000_000;
/// Dearest scrypt: 128 MiB, and a second or so. OWASP's is N = 2^17, r = 8, p = 1; Django's N = 2^14, r = 8, p = 5.
const MOST_MEMORY_LOG_N: u32 = 20;
const MOST_MEMORY: u64 = 128 * 1024 * 1024;
const MOST_WORK: u64 = 128 * 1024 * 1024;
const MOST_BLOCK: u32 = 64;
const MOST_PARALLELISM: u32 = 64;

/// A PBKDF2 or scrypt hash that can be checked at a bounded cost.
pub(super) struct DerivedHash {
    function: Function,
    salt: Salt,
    output: Output,
}

/// How the password is stretched.
pub(super) enum Function {
    Pbkdf2(Prf, NonZeroU32),
    Scrypt(scrypt::Params),
}

/// HMAC with this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

impl Prf {
    /// Its name in PHC strings.
    const fn ident(self) -> &'static str {
        match self {
            Self::Sha1 => "pbkdf2-sha1",
            Self::Sha256 => "pbkdf2-sha256",
            Self::Sha512 => "pbkdf2-sha512",
        }
    }

    const fn most_rounds(self) -> u32 {
        match self {
            Self::Sha1 | Self::Sha256 => MOST_ROUNDS,
            Self::Sha512 => MOST_ROUNDS_SHA512,
        }
    }

    const fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Function {
    /// PBKDF2 within its bound.
    pub(super) fn pbkdf2(prf: Prf, rounds: u32) -> Result<Self, Unusable> {
        match NonZeroU32::new(rounds) {
            None => Err(Unusable::Format),
            Some(rounds) if rounds.get() <= prf.most_rounds() => Ok(Self::Pbkdf2(prf, rounds)),
            Some(_) => Err(Unusable::TooDear),
        }
    }

    /// scrypt (RFC 7914) within its bounds, which hold before anything is multiplied.
    pub(super) fn scrypt(log_n: u32, block: u32, parallelism: u32) -> Result<Self, Unusable> {
        if log_n == 0 || block == 0 || parallelism == 0 {
            return Err(Unusable::Format);
        }
        if log_n > MOST_MEMORY_LOG_N || block > MOST_BLOCK || parallelism > MOST_PARALLELISM {
            return Err(Unusable::TooDear);
        }
        let memory = (128 * u64::from(block)) << log_n;
        if memory > MOST_MEMORY || memory * u64::from(parallelism) > MOST_WORK {
            return Err(Unusable::TooDear);
        }
        let log_n = u8::try_from(log_n).map_err(|_| Unusable::TooDear)?;
        scrypt::Params::new(log_n, block, parallelism).map(Self::Scrypt).map_err(|_| Unusable::Format)
    }
}

impl DerivedHash {
    /// From the parts of another application's form.
    pub(super) fn new(function: Function, salt: &[u8], output: &[u8]) -> Result<Self, Unusable> {
        let salt = Salt::new(salt).map_err(|_| Unusable::Format)?;
        Ok(Self { function, salt, output: Output::new(output).map_err(|_| Unusable::Format)? })
    }

    /// Reads a PHC string.
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        let phc = PasswordHash::new(text).map_err(|_| Unusable::Format)?;
        let (Some(salt), Some(output), None) = (phc.salt, phc.hash, phc.version) else { return Err(Unusable::Format) };
        let known: &[&str] = if phc.algorithm.as_str() == "scrypt" { &["ln", "r", "p"] } else { &["i", "l"] };
        if phc.params.iter().any(|(name, _)| !known.contains(&name.as_str())) {
            return Err(Unusable::Format);
        }
        let number = |name: &str| phc.params.get_decimal(name).ok_or(Unusable::Format);
        let function = match phc.algorithm.as_str() {
            "scrypt" => Function::scrypt(number("ln")?, number("r")?, number("p")?)?,
            "pbkdf2-sha1" => Function::pbkdf2(Prf::Sha1, number("i")?)?,
            "pbkdf2-sha256" => Function::pbkdf2(Prf::Sha256, number("i")?)?,
            "pbkdf2-sha512" => Function::pbkdf2(Prf::Sha512, number("i")?)?,
            _ => return Err(Unusable::Format),
        };
        Ok(Self { function, salt, output })
    }

    /// The PHC string.
    pub(super) fn to_phc(&self) -> Result<String, HashError> {
        let mut params = ParamsString::new();
        let mut add = |name: &str, value: u32| params.add_decimal(name, value).map_err(|_| HashError::Parameters);
        let algorithm = match &self.function {
            Function::Pbkdf2(prf, rounds) => {
                add("i", rounds.get())?;
                add("l", u32::try_from(self.output.len()).map_err(|_| HashError::Parameters)?)?;
                prf.ident()
            }
            Function::Scrypt(costs) => {
                add("ln", u32::from(costs.log_n()))?;
                add("r", costs.r())?;
                add("p", costs.p())?;
                "scrypt"
            }
        };
        let algorithm = Ident::new(algorithm).map_err(|_| HashError::Parameters)?;
        let (salt, hash) = (Some(self.salt), Some(self.output));
        Ok(PasswordHash { algorithm, version: None, params, salt, hash }.to_string())
    }

    /// Whether it is the hash of these bytes. The applications that made such hashes took them as they were typed.
    pub(super) fn matches(&self, typed: &[u8]) -> bool {
        let mut made = Zeroizing::new([0_u8; Output::MAX_LENGTH]);
        // PBKDF2 computes each further block anew (RFC 8018 section 5.2) and Keycloak stores two of them: the first
        // alone tells as much, at half the cost.
        let length = match self.function {
            Function::Pbkdf2(prf, _) => self.output.len().min(prf.length()),
            Function::Scrypt(_) => self.output.len(),
        };
        let (Some(made), Some(stored)) = (made.get_mut(..length), self.output.as_bytes().get(..length)) else {
            return false;
        };
        match &self.function {
            Function::Pbkdf2(prf, rounds) => pbkdf2::derive(prf.algorithm(), *rounds, &self.salt, typed, made),
            Function::Scrypt(costs) => {
                if scrypt::scrypt(typed, &self.salt, costs, made).is_err() {
                    return false;
                }
            }
        }
        made.ct_eq(stored).into()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TAIL: &str = "$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

    #[rstest]
    #[case::owasp("$pbkdf2-sha256$i=600000,l=32", None)]
    #[case::for_ever("$pbkdf2-sha256$i=4294967295,l=32", Some(Unusable::TooDear))]
    #[case::too_many("$pbkdf2-sha1$i=2000001,l=32", Some(Unusable::TooDear))]
    #[case::too_many_of_sha512("$pbkdf2-sha512$i=1000001,l=32", Some(Unusable::TooDear))]
    #[case::none("$pbkdf2-sha512$i=0,l=32", Some(Unusable::Format))]
    #[case::no_number("$pbkdf2-sha512$i=99999999999,l=32", Some(Unusable::Format))]
    #[case::no_rounds("$pbkdf2-sha512$l=32", Some(Unusable::Format))]
    #[case::passlib_as_it_stands("$pbkdf2-sha512$25000", Some(Unusable::Format))]
    #[case::other_digest("$pbkdf2-md5$i=1000,l=32", Some(Unusable::Format))]
    #[case::scrypt_owasp("$scrypt$ln=17,r=8,p=1", None)]
    #[case::scrypt_django("$scrypt$ln=14,r=8,p=5", None)]
    #[case::scrypt_gigabytes("$scrypt$ln=40,r=8,p=1", Some(Unusable::TooDear))]
    #[case::scrypt_shift("$scrypt$ln=4294967295,r=8,p=1", Some(Unusable::TooDear))]
    #[case::scrypt_wide("$scrypt$ln=1,r=4294967295,p=4294967295", Some(Unusable::TooDear))]
    #[case::scrypt_long("$scrypt$ln=17,r=8,p=2", Some(Unusable::TooDear))]
    #[case::scrypt_nothing("$scrypt$ln=15,r=0,p=1", Some(Unusable::Format))]
    #[case::scrypt_unknown("$scrypt$ln=15,r=8,p=1,x=1", Some(Unusable::Format))]
    fn p14_a_derived_hash_is_bounded(#[case] head: &str, #[case] refused: Option<Unusable>) {
        let parsed = DerivedHash::parse(&format!("{head}{TAIL}"));
        assert_eq!(parsed.as_ref().err(), refused.as_ref());
        if let Ok(hash) = parsed {
            assert_eq!(hash.to_phc().unwrap(), format!("{head}{TAIL}"));
        }
    }

    /// RFC 7914 sections 11 and 12 have salts that are shorter than a PHC string takes, but for this one.
    #[test]
    fn a_vector_of_rfc_7914_matches() {
        let output = [
            0x70, 0x23, 0xbd, 0xcb, 0x3a, 0xfd, 0x73, 0x48, 0x46, 0x1c, 0x06, 0xcd, 0x81, 0xfd, 0x38, 0xeb, 0xfd, 0xa8,
            0xfb, 0xba, 0x90, 0x4f, 0x8e, 0x3e, 0xa9, 0xb5, 0x43, 0xf6, 0x54, 0x5d, 0xa1, 0xf2, 0xd5, 0x43, 0x29, 0x55,
            0x61, 0x3f, 0x0f, 0xcf, 0x62, 0xd4, 0x97, 0x05, 0x24, 0x2a, 0x9a, 0xf9, 0xe6, 0x1e, 0x85, 0xdc, 0x0d, 0x65,
            0x1e, 0x40, 0xdf, 0xcf, 0x01, 0x7b, 0x45, 0x57, 0x58, 0x87,
        ];
        let hash = DerivedHash::new(Function::scrypt(14, 8, 1).unwrap(), b"SodiumChloride", &output).unwrap();
        assert!(hash.matches(b"pleaseletmein") && !hash.matches(b"pleaseletmeit"));
    }
}
