//! Making and checking hashes. Blocking: only the lane's own threads come here.

use std::fmt;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use super::memory::{self, Memory};
use super::prehash::Prehash;
use super::stored::{Argon2Hash, Stored};
use super::weights::{Kind, Turn, Weight, Weights, clocked};
use super::{Plain, Settings, SettingsError, Unusable};

const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;
/// bcrypt looks at no more bytes than these; a longer password would be taken by its beginning.
const BCRYPT_BYTES: usize = 72;
/// Below this cost bcrypt is quicker than Argon2id here and would show in the answer's time.
const QUICK_BCRYPT: u32 = 10;
/// What is hashed to measure. Neither its content nor its length shows in the time.
const NOBODYS: &str = "nobody's password";

/// A hash in its stored form; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashed(String);

/// Why no hash could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The memory that the settings ask for is not there.
    #[error("there is not enough memory to hash a password")]
    Memory,
    /// The system's random source failed.
    #[error("the system gives no random bytes")]
    Randomness,
    /// Argon2 refused its input, which the settings' check rules out.
    #[error("Argon2 refused its parameters")]
    Parameters,
}

/// What became of a check.
pub(super) enum Check {
    /// The password is the one. A new hash is there when the stored one is behind the settings.
    Matches(Option<Hashed>),
    /// It is another one.
    Differs,
    /// The stored hash cannot be checked.
    Unusable(Unusable),
}

/// Hashing at the costs of the settings.
#[derive(Clone, Debug)]
pub(super) struct Hasher {
    params: Params,
    keep_bcrypt: bool,
    weights: Weights,
}

impl Hashed {
    /// A string that [`Hasher::check`] reads.
    pub(super) const fn of(stored: String) -> Self {
        Self(stored)
    }

    /// The string for the database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(…)")
    }
}

/// The costs of new hashes.
pub(super) fn params(settings: &Settings) -> Result<Params, SettingsError> {
    settings.check()?;
    Params::new(settings.memory_kib, settings.iterations, settings.parallelism, Some(OUTPUT_BYTES))
        .map_err(|_| SettingsError::TooDear)
}

impl Hasher {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self { keep_bcrypt: settings.keep_bcrypt, ..Self::at(params(settings)?) })
    }

    /// For measuring costs that the settings need not allow.
    pub(super) fn at(params: Params) -> Self {
        Self { params, keep_bcrypt: false, weights: Weights::default() }
    }

    /// A new Argon2id hash with a salt of its own, as a PHC string.
    pub(super) fn hash(&self, plain: &Plain, memory: &mut Memory) -> Result<Hashed, HashError> {
        let mut salt = [0_u8; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| HashError::Randomness)?;
        let mut output = [0_u8; OUTPUT_BYTES];
        let password = plain.normalised();
        compute(Algorithm::Argon2id, Version::V0x13, &self.params, password.as_bytes(), &salt, &mut output, memory)?;
        let phc = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).map_err(|_| HashError::Parameters)?,
            salt: Some(Salt::new(&salt).map_err(|_| HashError::Parameters)?),
            hash: Some(Output::new(&output).map_err(|_| HashError::Parameters)?),
        };
        Ok(Hashed(phc.to_string()))
    }

    /// Checks `plain` against `stored`. Whatever `stored` is, this takes at least the time of one hash at the
    /// current costs; one of another kind or dearer takes longer (see [`Hasher::is_dearer`]).
    pub(super) fn check(&self, stored: &str, plain: &Plain, memory: &mut Memory) -> Result<Check, HashError> {
        let (matches, is_behind) = match Stored::parse(stored, &self.params) {
            Ok(Stored::Argon2(hash)) => (self.check_argon2(&hash, plain, memory)?, self.is_behind(&hash)),
            Ok(Stored::Bcrypt { text, cost, prehash }) => {
                if cost < QUICK_BCRYPT {
                    self.burn(plain, memory)?;
                }
                match check_bcrypt(&text, &prehash, plain) {
                    Some(matches) => (matches, !self.keep_bcrypt || prehash != Prehash::None),
                    None => {
                        self.burn(plain, memory)?;
                        return Ok(Check::Unusable(Unusable::Format));
                    }
                }
            }
            Ok(Stored::Derived(hash)) => {
                // Rounds say little about the time that they take here.
                self.burn(plain, memory)?;
                (hash.matches(plain.expose().as_bytes()), true)
            }
            Err(reason) => {
                self.burn(plain, memory)?;
                return Ok(Check::Unusable(reason));
            }
        };
        if !matches {
            return Ok(Check::Differs);
        }
        // A login must not fail because its upgrade did; the next one tries again.
        Ok(Check::Matches(if is_behind { self.hash(plain, memory).ok() } else { None }))
    }

    /// The check, and how long it took where it takes longer than a hash of the current costs.
    pub(super) fn timed_check(
        &self,
        stored: &str,
        plain: &Plain,
        memory: &mut Memory,
    ) -> (Result<Check, HashError>, Option<Duration>) {
        let begun = Instant::now();
        let check = self.check(stored, plain, memory);
        (check, self.is_dearer(stored).then(|| begun.elapsed()))
    }

    /// The work of a check without anything to compare, for names that nobody has.
    pub(super) fn burn(&self, plain: &Plain, memory: &mut Memory) -> Result<(), HashError> {
        self.spend(&self.params, plain, memory)
    }

    /// True when checking `stored` takes longer than [`Hasher::burn`], so that the time would tell.
    pub(super) fn is_dearer(&self, stored: &str) -> bool {
        match Stored::parse(stored, &self.params) {
            Ok(Stored::Argon2(hash)) => self.weight(&hash).is_dearer,
            Ok(Stored::Bcrypt { .. } | Stored::Derived(_)) => true,
            Err(_) => false,
        }
    }

    /// Gives back what a dearer stored hash made a thread allocate.
    pub(super) fn shrink(&self, memory: &mut Memory) {
        if memory.len() > self.params.block_count() {
            memory.truncate(self.params.block_count());
            memory.shrink_to_fit();
        }
    }

    fn check_argon2(&self, hash: &Argon2Hash, plain: &Plain, memory: &mut Memory) -> Result<bool, HashError> {
        let output = compute_again(hash, plain, memory)?;
        self.top_up(self.weight(hash).top_up_kib, plain, memory)?;
        Ok(output.as_bytes().ct_eq(hash.output.as_bytes()).into())
    }

    fn weight(&self, hash: &Argon2Hash) -> Weight {
        let kind = Kind::of(hash);
        if kind == Kind::current(&self.params) {
            return Weight { top_up_kib: 0, is_dearer: false };
        }
        self.weights.find(kind).unwrap_or_else(|| Weight::estimate(&hash.params, &self.params))
    }

    /// A hash that is quicker than one of the current costs would answer sooner: spends the difference.
    fn top_up(&self, kib: u32, plain: &Plain, memory: &mut Memory) -> Result<(), HashError> {
        if kib == 0 {
            return Ok(());
        }
        let params = Params::new(kib, self.params.t_cost(), 1, Some(OUTPUT_BYTES));
        self.spend(&params.map_err(|_| HashError::Parameters)?, plain, memory)
    }

    /// Learns what hashes like `stored` take here, so that from now on their checks take the time of [`Hasher::burn`].
    /// Computes some fifty hashes the first time that an Argon2 hash of a kind is seen, and nothing else.
    pub(super) fn weigh(&self, stored: &str, memory: &mut Memory) {
        let Ok(Stored::Argon2(hash)) = Stored::parse(stored, &self.params) else { return };
        let kind = Kind::of(&hash);
        if kind == Kind::current(&self.params) {
            return;
        }
        let Ok(plain) = Plain::new(NOBODYS.to_owned()) else { return };
        self.weights.weigh((kind, &hash.params), &self.params, |top_up_kib| {
            let (current, burnt) = clocked(|| self.burn(&plain, memory));
            let (kind, computed) = clocked(|| compute_again(&hash, &plain, memory));
            let (top_up, spent) = clocked(|| self.top_up(top_up_kib, &plain, memory));
            burnt.and(computed.map(drop)).and(spent).map(|()| Turn { current, kind, top_up })
        });
    }

    fn spend(&self, params: &Params, plain: &Plain, memory: &mut Memory) -> Result<(), HashError> {
        let mut output = [0_u8; OUTPUT_BYTES];
        let password = plain.normalised();
        let salt = [0_u8; SALT_BYTES];
        compute(Algorithm::Argon2id, Version::V0x13, params, password.as_bytes(), &salt, &mut output, memory)
    }

    fn is_behind(&self, hash: &Argon2Hash) -> bool {
        hash.algorithm != Algorithm::Argon2id
            || hash.version != Version::V0x13
            || hash.params.m_cost() < self.params.m_cost()
            || hash.params.t_cost() < self.params.t_cost()
            || hash.params.p_cost() != self.params.p_cost()
            || hash.salt.len() < SALT_BYTES
            || hash.output.len() < OUTPUT_BYTES
    }
}

/// `None` when the crate cannot read the string. Whoever made such hashes took the bytes as they were typed.
fn check_bcrypt(text: &str, prehash: &Prehash, plain: &Plain) -> Option<bool> {
    let key = prehash.apply(plain.expose().as_bytes());
    // P04: bcrypt cuts at 72 bytes, so that a longer password would be right by its beginning alone. The hash is
    // computed all the same, for the time it takes.
    let is_whole = key.len() <= BCRYPT_BYTES;
    bcrypt::verify(key.as_slice(), text).ok().map(|matches| matches && is_whole)
}

/// What `plain` comes to at the costs and with the salt of a stored hash.
fn compute_again(hash: &Argon2Hash, plain: &Plain, memory: &mut Memory) -> Result<Output, HashError> {
    let mut output = [0_u8; Output::MAX_LENGTH];
    let output = output.get_mut(..hash.output.len()).ok_or(HashError::Parameters)?;
    let password = plain.normalised();
    compute(hash.algorithm, hash.version, &hash.params, password.as_bytes(), &hash.salt, output, memory)?;
    Output::new(output).map_err(|_| HashError::Parameters)
}

fn compute(
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> Result<(), HashError> {
    memory::grow(memory, params.block_count())?;
    Argon2::new(algorithm, version, params.clone())
        .hash_password_into_with_memory(password, salt, output, memory.as_mut_slice())
        .map_err(|_| HashError::Parameters)
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
