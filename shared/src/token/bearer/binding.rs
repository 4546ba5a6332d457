//! A token that is bound to a key comes with a proof, and no other does (RFC 9449 section 7).

use axum::http::request::Parts;

use super::Gate;
use super::credentials::Scheme;
use super::denied::{Denied, Reason, Takes};
use crate::metrics;
use crate::token::claims::AccessClaims;
use crate::token::dpop::ProofRefusal;

/// How a token with these claims comes.
pub(super) const fn scheme(claims: &AccessClaims) -> Scheme {
    match claims.cnf {
        Some(_) => Scheme::Dpop,
        None => Scheme::Bearer,
    }
}

impl Gate {
    /// The one well-formed token of a request, or the refusal. Where no bound tokens are taken, their scheme is one that
    /// nobody here knows.
    pub(super) fn judge(&self, found: Result<(Scheme, String), (Scheme, Reason)>) -> Result<(Scheme, String), Denied> {
        match found {
            Ok((Scheme::Dpop, _)) | Err((Scheme::Dpop, _)) if self.guarded.takes == Takes::Bearer => {
                Err(self.deny(Scheme::Bearer, Reason::Missing))
            }
            Ok(found) => Ok(found),
            Err((scheme, reason)) => Err(self.deny(scheme, reason)),
        }
    }

    /// Whether a good token came as it has to, with a proof where it is bound to a key.
    pub(super) fn check_binding(
        &self,
        parts: &Parts,
        scheme: Scheme,
        token: &str,
        claims: &AccessClaims,
    ) -> Result<(), Denied> {
        let refused = |reason, wire| {
            metrics::token_checked("refused");
            tracing::info!(token.refusal = reason, client.id = claims.client_id, "token refused");
            Err(self.deny(scheme, wire))
        };
        match (scheme, &claims.cnf, &self.proofs) {
            (Scheme::Bearer, Some(_), _) => refused("bound_token_as_bearer", Reason::Invalid),
            (Scheme::Bearer, None, _) => refused("unbound_token", Reason::Invalid),
            (Scheme::Dpop, None, _) => refused("unbound_token_with_dpop", Reason::Invalid),
            (Scheme::Dpop, Some(_), None) => refused("bound_token", Reason::Invalid),
            (Scheme::Dpop, Some(bound), Some(proofs)) => {
                match proofs.check(parts, token, &bound.jkt, self.clock.now()) {
                    Ok(()) => Ok(()),
                    // "the presented token is invalid": it is the token that this key does not hold.
                    Err(refusal @ ProofRefusal::OtherKey) => refused(refusal.reason(), Reason::Invalid),
                    Err(refusal) => {
                        tracing::debug!(proof.detail = %refusal, "a proof is refused");
                        refused(refusal.reason(), Reason::Proof)
                    }
                }
            }
        }
    }
}
