//! What an operator can set about passwords.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use super::policy::SHORTEST;

/// Settings of hashing, of the lane and of what may be chosen. The default is what the OWASP password storage cheat
/// sheet and NIST SP 800-63B-4 ask for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Memory of one Argon2id hash in KiB.
    pub memory_kib: u32,
    /// Passes of Argon2id over its memory.
    pub iterations: u32,
    /// Lanes of Argon2id. They are computed one after the other: more than 1 gains nothing here.
    pub parallelism: u32,
    /// Threads that hash; each holds `memory_kib`.
    pub lanes: usize,
    /// Passwords that may wait for a thread; the next one is refused at once.
    pub queue: usize,
    /// How long a password may wait for a thread.
    pub max_wait: Duration,
    /// Code points that a new password needs, unless a weak one is allowed. Never below 8.
    pub minimum_length: usize,
    /// Whether a weak password passes with a warning (`MYAPI_ENV=dev`); elsewhere each needs an explicit permission.
    pub warn_only: bool,
    /// Names of this deployment that its users would think of, such as its hosts: a password of little else is weak.
    pub context_words: Vec<String>,
    /// Leave bcrypt hashes as they are at login, for running beside the old application.
    pub keep_bcrypt: bool,
}

/// Why settings are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Cheaper than ASVS 5.0 appendix C allows.
    #[error(
        "Argon2id needs at least 47104 KiB with 1 iteration, 19456 KiB with 2, or 12288 KiB with 3 or more; \
         {memory_kib} KiB with {iterations} is too cheap"
    )]
    TooCheap {
        /// As configured, in KiB.
        memory_kib: u32,
        /// As configured.
        iterations: u32,
    },
    /// Outside what Argon2 defines, or dearer than the bound on stored hashes.
    #[error("Argon2id takes at most 1048576 KiB, 32 iterations and a parallelism of 1 to 16")]
    TooDear,
    /// No thread or no place in the queue: nobody could log in.
    #[error("password lanes must be 1 to 1024 and the queue 1 to 65536")]
    NoLane,
    /// Below 8 nothing is allowed, so that a lower setting would say something else than happens.
    #[error("the minimum password length is {SHORTEST} to 64")]
    MinimumLength,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            lanes: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            queue: 256,
            max_wait: Duration::from_secs(2),
            minimum_length: 15,
            warn_only: false,
            context_words: Vec::new(),
            keep_bcrypt: false,
        }
    }
}

impl Settings {
    /// What the PHC string of a hash at these costs begins with.
    #[must_use]
    pub fn hash_beginning(&self) -> String {
        format!("$argon2id$v=19$m={},t={},p={}$", self.memory_kib, self.iterations, self.parallelism)
    }

    /// Refuses settings that are unsafe or cannot work, before any thread starts.
    ///
    /// # Errors
    /// [`SettingsError`] names the bound that is crossed.
    pub const fn check(&self) -> Result<(), SettingsError> {
        let (memory_kib, iterations) = (self.memory_kib, self.iterations);
        // ASVS 5.0 appendix C, approved password storage.
        let least = match iterations {
            0 => return Err(SettingsError::TooCheap { memory_kib, iterations }),
            1 => 47_104,
            2 => 19_456,
            _ => 12_288,
        };
        if memory_kib < least {
            return Err(SettingsError::TooCheap { memory_kib, iterations });
        }
        if memory_kib > 1_048_576 || iterations > 32 || self.parallelism == 0 || self.parallelism > 16 {
            return Err(SettingsError::TooDear);
        }
        if self.lanes == 0 || self.lanes > 1024 || self.queue == 0 || self.queue > 65_536 {
            return Err(SettingsError::NoLane);
        }
        if self.minimum_length < SHORTEST || self.minimum_length > 64 {
            return Err(SettingsError::MinimumLength);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::default_values(19_456, 2, true)]
    #[case::one_pass(47_104, 1, true)]
    #[case::three_passes(12_288, 3, true)]
    #[case::little_memory(19_455, 2, false)]
    #[case::one_cheap_pass(19_456, 1, false)]
    #[case::no_pass(1_000_000, 0, false)]
    fn p13_cheaper_than_asvs_appendix_c_is_refused(#[case] memory_kib: u32, #[case] iterations: u32, #[case] ok: bool) {
        let settings = Settings { memory_kib, iterations, ..Settings::default() };
        assert_eq!(settings.check().is_ok(), ok);
    }
}
