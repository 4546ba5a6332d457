//! The public half of access tokens: everything a resource server needs to check one, and nothing that could sign one.
//!
//! 1. [`source`] obtains public keys (PEM file, JWK Set file, JWK Set URL) and keeps the last good set.
//! 2. [`keys`] parses them, refuses weak or private ones, and names each by its RFC 7638 thumbprint.
//! 3. [`verifier`] checks a compact JWS against that set (RFC 7515, RFC 8725, RFC 9068 section 4) and caches the
//!    outcome.
//! 4. [`revocations`] follows what was revoked, and is asked at every request.
//! 5. [`bearer`] takes the token out of a request (RFC 6750), asks the verifier, and answers refusals.
//! 6. [`dpop`] checks the proofs that come with tokens which are bound to a key (RFC 9449).
//! 7. [`heartbeat`] reports which keys this process holds, so that no key signs before everyone has it.
//! 8. [`resource`] is what a resource server says of itself (RFC 9728).
//!
//! [`claims`] and [`scope`] are the vocabulary that auth-server mints with, too.

pub mod bearer;
pub mod claims;
pub mod dpop;
pub mod heartbeat;
pub mod json;
pub mod keys;
pub mod resource;
pub mod revocations;
pub mod scope;
pub mod source;
pub mod verifier;
