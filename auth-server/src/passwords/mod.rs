//! Passwords: what may be chosen, how it is kept, and where the hashing runs.
//!
//! 1. [`Plain`] is a password from outside, bounded before anything is computed.
//! 2. [`Policy`] says whether it may be chosen (NIST SP 800-63B-4 section 3.1.1.2: length, no composition rules).
//! 3. [`Lane`] is the one place where hashes are computed: its own threads, a bounded queue, a bounded wait.
//! 4. `hash` makes and checks Argon2id in PHC form (RFC 9106); it checks bcrypt hashes of the old application, and what
//!    an import brought: `prehash` and `derived` know PBKDF2, scrypt and bcrypt of a digest.
//!    `weights` learns what hashes of other costs take here, so that all checks take the same time.
//! 5. [`Reader`] puts the hashes of other applications into the form that is kept here.
//! 6. `stored` reads what the database holds and refuses costs that nobody would have chosen.
//!
//! Which characters count: hashes made here are of the NFC form (RFC 8265 section 4.2.2, OpaqueString), so that a
//! composed and a decomposed `é` are the same password. Nothing else is folded: neither case, nor spaces, nor
//! compatibility characters. A bcrypt, PBKDF2 or scrypt hash is of the bytes as they were typed, and is checked so; the
//! upgrade at login then hashes the NFC form.

mod caller;
pub mod capacity;
mod common;
mod derived;
mod door;
mod foreign;
mod generate;
mod guess;
mod hash;
mod lane;
mod line;
mod memory;
mod plain;
mod policy;
mod prehash;
mod queue;
mod settings;
mod stored;
mod weights;

pub use caller::Caller;
pub use door::Pass;
pub use foreign::{ForeignError, KeycloakPassword, Reader};
pub use generate::generate;
pub use hash::{HashError, Hashed};
pub use lane::{Counts, Lane, LaneError, StartError, Verdict};
pub use plain::{Plain, PlainError};
pub use policy::{Leniency, MAXIMUM_LENGTH, Policy, PolicyError, Weakness};
pub use settings::{Settings, SettingsError};
pub use stored::Unusable;
