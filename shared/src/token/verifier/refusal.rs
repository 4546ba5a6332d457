//! Why a token is refused: precise for the log, one and the same on the wire.

use crate::token::claims::ClaimError;
use crate::token::json::JsonFault;
use crate::token::revocations::Kind;

/// The rule that a token broke. The wire never tells which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`super::TOKEN_LIMIT`].
    #[error("the token is too long")]
    TooLong,
    /// Not three non-empty segments (RFC 7515 section 7.1); five would be encrypted.
    #[error("the token does not have three non-empty segments")]
    Segments,
    /// A segment is not canonical base64url without padding (RFC 7515 section 2).
    #[error("a segment of the token is not canonical base64url")]
    Encoding,
    /// The header is not a JSON object.
    #[error("the header is not a JSON object")]
    HeaderMalformed,
    /// The payload is not a JSON object.
    #[error("the payload is not a JSON object")]
    PayloadMalformed,
    /// A member appears twice in header or payload (RFC 7515 section 4).
    #[error("a JSON member appears twice")]
    DuplicateMember,
    /// `crit` names extensions, and none is understood (RFC 7515 section 4.1.11).
    #[error("the header has critical extensions")]
    Critical,
    /// `jwk`, `jku`, `x5c` or `x5u`: the token brings its own key (RFC 8725 section 3.10). Nothing is ever fetched.
    #[error("the header brings or points at a key")]
    EmbeddedKey,
    /// `typ` is not `at+jwt` (RFC 9068 section 4, RFC 8725 section 3.11).
    #[error("the header's typ is not at+jwt")]
    Type,
    /// `alg` is missing or not on the list (RFC 8725 section 3.1).
    #[error("the header's alg is not accepted")]
    Algorithm,
    /// `kid` is missing or not a non-empty string.
    #[error("the header has no kid")]
    KeyMissing,
    /// A claim is missing or malformed.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Another issuer.
    #[error("the issuer is another")]
    Issuer,
    /// Not for this resource server.
    #[error("the audience is another")]
    Audience,
    /// `exp` is over.
    #[error("the token expired {seconds} s ago by this clock")]
    Expired {
        /// For how long; seconds.
        seconds: i64,
    },
    /// `nbf` is to come.
    #[error("the token is not valid yet: it begins {seconds} s ahead of this clock")]
    NotYetValid {
        /// In how long; seconds.
        seconds: i64,
    },
    /// `iat` is to come: one of the two clocks is wrong.
    #[error("the token was issued {seconds} s ahead of this clock: the clocks of issuer and service differ")]
    IssuedInFuture {
        /// How far the clocks are apart at least; seconds.
        seconds: i64,
    },
    /// `exp` comes before `iat`.
    #[error("the token ends before it begins")]
    Lifetime,
    /// No key of that name is held.
    #[error("no key of that kid is known")]
    KeyUnknown {
        /// The name that the token gives, as it came: never print it.
        kid: String,
    },
    /// The key of that name belongs to another algorithm (RFC 8725 section 3.1).
    #[error("the key of that kid is for another algorithm")]
    KeyAlgorithm,
    /// The signature has another length than the key's signatures have.
    #[error("the signature has the wrong length")]
    SignatureLength,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The token, or what it hangs on, was revoked.
    #[error("the token's {} was revoked", .0.as_str())]
    Revoked(Kind),
}

impl Refusal {
    /// A stable code for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Segments => "segments",
            Self::Encoding => "encoding",
            Self::HeaderMalformed => "header_malformed",
            Self::PayloadMalformed => "payload_malformed",
            Self::DuplicateMember => "duplicate_member",
            Self::Critical => "critical_extension",
            Self::EmbeddedKey => "embedded_key",
            Self::Type => "wrong_type",
            Self::Algorithm => "algorithm_refused",
            Self::KeyMissing => "key_missing",
            Self::Claim(ClaimError::Missing(_)) => "claim_missing",
            Self::Claim(ClaimError::Mistyped(_)) => "claim_mistyped",
            Self::Claim(ClaimError::Empty(_)) => "claim_empty",
            Self::Claim(ClaimError::Scope) => "scope_malformed",
            Self::Claim(ClaimError::Confirmation) => "sender_constrained",
            Self::Issuer => "wrong_issuer",
            Self::Audience => "wrong_audience",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::IssuedInFuture { .. } => "issued_in_future",
            Self::Lifetime => "ends_before_it_begins",
            Self::KeyUnknown { .. } => "key_unknown",
            Self::KeyAlgorithm => "key_algorithm",
            Self::SignatureLength => "signature_length",
            Self::Signature => "signature_invalid",
            Self::Revoked(Kind::Token) => "revoked_token",
            Self::Revoked(Kind::Session) => "revoked_session",
            Self::Revoked(Kind::User) => "revoked_user",
            Self::Revoked(Kind::Client) => "revoked_client",
            Self::Revoked(Kind::Key) => "revoked_key",
        }
    }

    pub(super) fn header(fault: JsonFault) -> Self {
        match fault {
            JsonFault::Duplicate => Self::DuplicateMember,
            JsonFault::Malformed | JsonFault::NotAnObject => Self::HeaderMalformed,
        }
    }

    pub(super) fn payload(fault: JsonFault) -> Self {
        match fault {
            JsonFault::Duplicate => Self::DuplicateMember,
            JsonFault::Malformed | JsonFault::NotAnObject => Self::PayloadMalformed,
        }
    }
}
