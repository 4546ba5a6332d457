//! Proofs of possession (DPoP, RFC 9449) on this side: which were taken, and the nonces that prove that one is fresh. How a
//! proof is read and checked stands in [`shared::token::dpop`].
//!
//! 1. A proof is taken once, by one guarded insert that every replica sees. That happens when the request has earned its
//!    token and not before, so that there are no more rows than tokens: a request that is refused costs no write and uses no
//!    proof up.
//! 2. A row is needed for as long as its proof is good, two minutes; housekeeping takes it away later.
//! 3. [`Nonces`] are not stored at all: a time and its code under a subkey of the key encryption key, which every replica
//!    has.

mod nonces;
mod service;
mod store;

pub use nonces::Nonces;
pub use service::{delete_expired, take};
