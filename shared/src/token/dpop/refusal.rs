//! Why a proof is refused: precise for the log, one and the same on the wire.

use crate::token::keys::KeyError;

/// The rule of RFC 9449 section 4.3 that a proof broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// No `DPoP` header where there has to be one.
    #[error("there is no DPoP header")]
    Missing,
    /// More than one `DPoP` header, or one with bytes beyond ASCII.
    #[error("the DPoP header stands more than once or is no text")]
    Header,
    /// Longer than [`super::PROOF_LIMIT`].
    #[error("the proof is too long")]
    TooLong,
    /// Not three non-empty segments.
    #[error("the proof does not have three non-empty segments")]
    Segments,
    /// A segment is not canonical base64url, or not the JSON object that belongs there.
    #[error("a segment of the proof cannot be read")]
    Malformed,
    /// `typ` is not `dpop+jwt`.
    #[error("the proof's typ is not dpop+jwt")]
    Type,
    /// `crit`, or a pointer to a key: nothing is ever fetched.
    #[error("the proof's header has critical extensions or points at a key")]
    HeaderMember,
    /// `alg` is none of the published ones.
    #[error("the proof's alg is not accepted")]
    Algorithm,
    /// `jwk` is missing, private, weak or malformed.
    // What it says of its kind is the sender's text, which no log repeats.
    #[error("the proof's jwk is missing, private, weak, malformed, or of no kind that is accepted")]
    Key(#[from] KeyError),
    /// `alg` and `jwk` disagree.
    #[error("the proof's jwk is for another algorithm")]
    KeyAlgorithm,
    /// The signature does not verify.
    #[error("the proof's signature does not verify")]
    Signature,
    /// A claim is missing, of another type, empty or too long.
    #[error("the proof's claim {0} is missing or malformed")]
    Claim(&'static str),
    /// Another method.
    #[error("the proof is for another method")]
    Method,
    /// Another address.
    #[error("the proof is for another address")]
    Address,
    /// Too old, or ended by its own `exp`.
    #[error("the proof is {seconds} s old by this clock")]
    Stale {
        /// Since its `iat`; seconds.
        seconds: i64,
    },
    /// From the future: one of the two clocks is wrong.
    #[error("the proof was made {seconds} s ahead of this clock")]
    Future {
        /// How far the clocks are apart at least; seconds.
        seconds: i64,
    },
    /// `ath` is missing, or the hash of another token.
    #[error("the proof is for another access token")]
    Token,
    /// Another key than the one that the token is bound to.
    #[error("the proof is of another key than the token's")]
    OtherKey,
    /// Seen before.
    #[error("the proof was used before")]
    Replayed,
}

impl ProofRefusal {
    /// A stable code for logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "proof_missing",
            Self::Header => "proof_header",
            Self::TooLong => "proof_too_long",
            Self::Segments => "proof_segments",
            Self::Malformed => "proof_malformed",
            Self::Type => "proof_type",
            Self::HeaderMember => "proof_header_member",
            Self::Algorithm => "proof_algorithm",
            Self::Key(KeyError::Private) => "proof_key_private",
            Self::Key(_) => "proof_key",
            Self::KeyAlgorithm => "proof_key_algorithm",
            Self::Signature => "proof_signature",
            Self::Claim(_) => "proof_claim",
            Self::Method => "proof_method",
            Self::Address => "proof_address",
            Self::Stale { .. } => "proof_stale",
            Self::Future { .. } => "proof_from_the_future",
            Self::Token => "proof_of_another_token",
            Self::OtherKey => "proof_of_another_key",
            Self::Replayed => "proof_replayed",
        }
    }
}
