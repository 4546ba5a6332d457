//! Proofs at a resource server.

use axum::http::request::Parts;
use chrono::{DateTime, Utc};

use super::{Address, Expected, Proof, ProofRefusal, Replays, Thumbprint};

/// What checks the proofs that come with bound tokens (RFC 9449 section 7).
#[derive(Clone, Debug)]
pub struct Proofs {
    /// Without a slash at the end.
    base: String,
    replays: Replays,
}

/// An address that no proof could be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https address")]
pub struct NoAddress;

impl Proofs {
    /// For a service whose clients reach it at `address`: paths are below it as the service sees them, so that a prefix which
    /// a proxy or a nesting router takes off stands in `address`.
    ///
    /// # Errors
    ///
    /// [`NoAddress`] for what is no http or https address.
    pub fn new(address: &str) -> Result<Self, NoAddress> {
        Address::parse(address).ok_or(NoAddress)?;
        let base = address.split(['?', '#']).next().unwrap_or(address).trim_end_matches('/').to_owned();
        Ok(Self { base, replays: Replays::default() })
    }

    /// The same with room for another number of proofs.
    #[must_use]
    pub fn with_replay_capacity(self, proofs: u64) -> Self {
        Self { replays: Replays::new(proofs), ..self }
    }

    /// Whether the request proves that its sender holds the key that `token` is bound to.
    ///
    /// # Errors
    ///
    /// The first rule that the proof breaks.
    pub fn check(
        &self,
        parts: &Parts,
        token: &str,
        bound_to: &Thumbprint,
        now: DateTime<Utc>,
    ) -> Result<(), ProofRefusal> {
        let proof = Proof::find(&parts.headers)?.ok_or(ProofRefusal::Missing)?;
        let address = Address::below(&self.base, parts.uri.path()).ok_or(ProofRefusal::Address)?;
        let method = parts.method.as_str();
        proof.check(&Expected { method, address: &address, token: Some(token), now })?;
        if proof.key() != bound_to {
            return Err(ProofRefusal::OtherKey);
        }
        self.replays.take(&proof)
    }
}
