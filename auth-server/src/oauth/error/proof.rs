//! Refusals of DPoP proofs (RFC 9449 section 5).

use http::StatusCode;
use shared::token::dpop::ProofRefusal;

use super::Answer;

impl Answer {
    /// One text for every bad proof, and one for none.
    pub(super) const fn proof(refusal: &ProofRefusal) -> Self {
        let text = match refusal {
            ProofRefusal::Missing => "the client has to prove a key: the DPoP header is missing",
            ProofRefusal::Header
            | ProofRefusal::TooLong
            | ProofRefusal::Segments
            | ProofRefusal::Malformed
            | ProofRefusal::Type
            | ProofRefusal::HeaderMember
            | ProofRefusal::Algorithm
            | ProofRefusal::Key(_)
            | ProofRefusal::KeyAlgorithm
            | ProofRefusal::Signature
            | ProofRefusal::Claim(_)
            | ProofRefusal::Method
            | ProofRefusal::Address
            | ProofRefusal::Stale { .. }
            | ProofRefusal::Future { .. }
            | ProofRefusal::Token
            | ProofRefusal::OtherKey
            | ProofRefusal::Replayed => "the DPoP proof is malformed, too old, used before, or not for this request",
        };
        Self::new(StatusCode::BAD_REQUEST, "invalid_dpop_proof", text)
    }
}
