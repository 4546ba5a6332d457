//! Proof of possession (DPoP, RFC 9449): a token that is bound to a key is worth nothing to whoever holds the token alone.
//!
//! 1. [`Proof::find`] takes the one `DPoP` header of a request; [`Proof::parse`] reads it strictly and checks its signature
//!    with the public key that it brings (section 4.3). The key is named by its [`Thumbprint`] (RFC 7638).
//! 2. [`Proof::check`] holds it against the request: method, [`Address`], time, and the token that comes with it. The address
//!    is made of what this service is configured to be called, never of the `Host` header.
//! 3. Whether it was seen before is asked last. [`Replays`] remembers for one process; the auth-server remembers in the
//!    database.
//! 4. [`Proofs`] is all of this for a resource server: a [`Gate`](super::bearer::Gate) that has one takes bound tokens.
//!
//! **What a resource server remembers.** A proof is good for [`MAX_AGE`] after its `iat`, and each process refuses to see one
//! twice in that time, within the bounds of [`Replays`]. Another process, or this one after a restart, has not seen it: who
//! reads a whole request off the wire can send it once more to each of them within that time. It is the same request: `htm`,
//! `htu` and `ath` bind it to this method, this address and this token.

mod address;
mod proof;
mod proofs;
mod refusal;
mod replays;
mod thumbprint;

use std::time::Duration;

use super::keys::Algorithm;

pub use address::Address;
pub use proof::{Expected, Proof};
pub use proofs::{NoAddress, Proofs};
pub use refusal::ProofRefusal;
pub use replays::{DEFAULT_REPLAY_CAPACITY, Replays};
pub use thumbprint::{NoThumbprint, Thumbprint};

/// The header that carries a proof.
pub const PROOF: &str = "dpop";

/// The header by which a server gives out nonces (section 8).
pub const NONCE: &str = "dpop-nonce";

/// The algorithms that proofs may be signed with.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

/// How old a proof may be by its `iat`.
pub const MAX_AGE: Duration = Duration::from_secs(120);

/// How far ahead of this clock a proof's `iat` may be.
pub const LEEWAY: Duration = super::verifier::DEFAULT_LEEWAY;

/// The longest proof that is looked at, in bytes. One with an ES256 key has about 500.
pub const PROOF_LIMIT: usize = 8 * 1024;

/// The longest `jti`, in bytes; a UUID has 36.
pub const JTI_LIMIT: usize = 256;
