//! DPoP (RFC 9449) at the endpoints that give out tokens.
//!
//! 1. [`find`] reads the proof of a request and holds it against the endpoint, the time and, where the settings ask for one,
//!    our nonce (section 8). It costs no look into the database and comes before the client is authenticated, so that a
//!    client that has to come again with a nonce has spent nothing.
//! 2. [`ClientRequest::bind`](super::token) takes it when the grant has earned a token, and not before.
//! 3. What is minted then says whose key it is; without a proof it is a bearer token.

use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue};
use shared::db::Conn;
use shared::token::claims::Confirmation;
use shared::token::dpop::{Address, Expected, NONCE, PROOF, Proof, ProofRefusal, Thumbprint};

use super::error::TokenError;
use crate::proofs;
use crate::state::AppState;

/// The key that a token is bound to, proven by a proof that was taken for it; or none. Minting wants one,
/// so that no grant forgets to ask.
#[derive(Clone, Debug)]
pub(super) struct Binding(Option<Thumbprint>);

impl Binding {
    /// Of a request without a proof.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// As it stands in the token.
    pub(super) fn confirmation(&self) -> Option<Confirmation> {
        self.0.clone().map(|jkt| Confirmation { jkt })
    }

    /// The key.
    pub(super) const fn key(&self) -> Option<&Thumbprint> {
        self.0.as_ref()
    }

    /// As the answer calls the token.
    pub(super) const fn token_type(&self) -> &'static str {
        token_type(self.0.is_some())
    }
}

/// What tokens that are bound to a key, and those that are not, are called (RFC 9449 section 5, RFC 6750 section 6.1.1).
pub(super) const fn token_type(is_bound: bool) -> &'static str {
    if is_bound { "DPoP" } else { "Bearer" }
}

/// The proof that comes with a `POST` to `path`, good but for whether it was used before.
pub(super) fn find(state: &AppState, headers: &HeaderMap, path: &str) -> Result<Option<Proof>, TokenError> {
    let Some(proof) = Proof::find(headers)? else { return Ok(None) };
    let now = state.clock.now();
    let address = Address::parse(&state.config.issuer.endpoint(path)).ok_or(ProofRefusal::Address)?;
    proof.check(&Expected { method: "POST", address: &address, token: None, now })?;
    let is_fresh = |nonce| state.nonces.accepts(nonce, now);
    if state.config.has_dpop_nonces && !proof.nonce().is_some_and(is_fresh) {
        return Err(TokenError::Nonce);
    }
    Ok(Some(proof))
}

/// Takes the proof, if there is one: the token that is minted next is bound to its key.
pub(super) async fn take(conn: &mut Conn, proof: Option<&Proof>) -> Result<Binding, TokenError> {
    let Some(proof) = proof else { return Ok(Binding::none()) };
    if !proofs::take(conn, proof).await? {
        return Err(ProofRefusal::Replayed.into());
    }
    Ok(Binding(Some(proof.key().clone())))
}

/// An authorization request that is pushed with a proof is bound to its key, as if it had named it (section 10.1); one that
/// names another key is refused.
pub(super) fn bind_request(parameters: &mut Vec<(String, String)>, proof: &Proof) -> Result<(), TokenError> {
    let key = proof.key().as_str();
    if parameters.iter().any(|(name, value)| name == "dpop_jkt" && !value.is_empty() && value != key) {
        return Err(ProofRefusal::OtherKey.into());
    }
    parameters.retain(|(name, _)| name != "dpop_jkt");
    parameters.push(("dpop_jkt".to_owned(), key.to_owned()));
    Ok(())
}

/// A nonce for the next proof, where they are asked for and the client knows of proofs (section 8.2).
pub(super) fn offer(state: &AppState, headers: &HeaderMap, now: DateTime<Utc>) -> Option<HeaderValue> {
    let is_wanted = state.config.has_dpop_nonces && headers.contains_key(PROOF);
    is_wanted.then(|| HeaderValue::try_from(state.nonces.current(now)).ok()).flatten()
}

/// Puts the nonce into an answer, good or bad.
pub(super) fn hand_over(mut response: Response, nonce: Option<HeaderValue>) -> Response {
    if let Some(nonce) = nonce {
        response.headers_mut().insert(NONCE, nonce);
    }
    response
}
