//! Making and checking hashes. Blocking: only the lane's own threads come here.

use std::fmt;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;

use super::prehash::Prehash;
use super::stored::{Argon2Hash, Stored, work_kib};
use super::{Plain, Settings, SettingsError, Unusable};

const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;
/// bcrypt looks at no more bytes than these; a longer password would be taken by its beginning.
const BCRYPT_BYTES: usize = 72;
/// Below this cost bcrypt is quicker than Argon2id here and would show in the answer's time.
const QUICK_BCRYPT: u32 = 10;

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

/// The working memory of one thread, kept from hash to hash.
pub(super) type Memory = Vec<Block>;

/// Hashing at the costs of the settings.
#[derive(Clone, Debug)]
pub(super) struct Hasher {
    params: Params,
    keep_bcrypt: bool,
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
        Ok(Self { params: params(settings)?, keep_bcrypt: settings.keep_bcrypt })
    }

    /// For measuring costs that the settings need not allow.
    pub(super) const fn at(params: Params) -> Self {
        Self { params, keep_bcrypt: false }
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

    /// The work of a check without anything to compare, for names that nobody has.
    pub(super) fn burn(&self, plain: &Plain, memory: &mut Memory) -> Result<(), HashError> {
        self.spend(&self.params, plain, memory)
    }

    /// True when checking `stored` takes longer than [`Hasher::burn`], so that the time would tell.
    pub(super) fn is_dearer(&self, stored: &str) -> bool {
        match Stored::parse(stored, &self.params) {
            Ok(Stored::Argon2(hash)) => work_kib(&hash.params) > work_kib(&self.params),
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
        let mut output = [0_u8; Output::MAX_LENGTH];
        let output = output.get_mut(..hash.output.len()).ok_or(HashError::Parameters)?;
        let password = plain.normalised();
        compute(hash.algorithm, hash.version, &hash.params, password.as_bytes(), &hash.salt, output, memory)?;
        self.top_up(&hash.params, plain, memory)?;
        Ok(output.ct_eq(hash.output.as_bytes()).into())
    }

    /// A hash that is cheaper than the current costs would answer sooner: spends the difference.
    fn top_up(&self, spent: &Params, plain: &Plain, memory: &mut Memory) -> Result<(), HashError> {
        self.difference(spent)?.map_or(Ok(()), |params| self.spend(&params, plain, memory))
    }

    /// The costs that are left of the current ones; `None` for less than Argon2 can spend.
    fn difference(&self, spent: &Params) -> Result<Option<Params>, HashError> {
        let left = work_kib(&self.params).saturating_sub(work_kib(spent)) / u64::from(self.params.t_cost());
        match u32::try_from(left) {
            Ok(left) if left >= Params::MIN_M_COST => {
                let params = Params::new(left, self.params.t_cost(), 1, Some(OUTPUT_BYTES));
                params.map(Some).map_err(|_| HashError::Parameters)
            }
            _ => Ok(None),
        }
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

fn compute(
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> Result<(), HashError> {
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.try_reserve_exact(blocks - memory.len()).map_err(|_| HashError::Memory)?;
        memory.resize(blocks, Block::new());
    }
    Argon2::new(algorithm, version, params.clone())
        .hash_password_into_with_memory(password, salt, output, memory.as_mut_slice())
        .map_err(|_| HashError::Parameters)
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
