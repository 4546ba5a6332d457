//! Why an authorization request is refused, and whether a page or the client hears of it (RFC 6749 section 4.1.2.1).

use shared::db::DbError;

use crate::clients::ClientError;
use crate::codes::RedeemError;
use crate::web::form::FormError;

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Client or `redirect_uri` are not proven: a page, never a redirect.
    #[error("{0}")]
    Page(#[from] PageReason),
    /// The client hears of it.
    #[error("{1}")]
    Back(Box<Back>, Reason),
}

/// Where a proven client is answered.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    /// Proven.
    pub redirect_uri: String,
    /// As it came.
    pub state: Option<String>,
    /// What people call the client.
    pub client_name: String,
    /// The client asked for no page, whatever happens (`prompt=none`).
    pub is_silent: bool,
}

/// Why no client can be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageReason {
    /// The query or the form cannot be read.
    #[error("query: {0}")]
    Form(#[from] FormError),
    /// Client or redirect URI missing, unknown or not registered.
    #[error("{0}")]
    Request(&'static str),
    /// A sealed value of ours that was changed or is too old.
    #[error("the sealed request was changed or is too old")]
    Sealed,
    /// The state machine stopped: a step was left out.
    #[error("the state machine stopped: {0}")]
    Machine(&'static str),
    /// No code was made.
    #[error("code: {0}")]
    Code(RedeemError),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Why a proven client's request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client is not registered for this grant.
    GrantNotAllowed,
    /// `response_type` is not there.
    ResponseTypeMissing,
    /// It is not `code`.
    ResponseType,
    /// It is not `query`.
    ResponseMode,
    /// Outside the grammar, unknown, or more than the client may have.
    Scope,
    /// The user has none of it.
    NothingGranted,
    /// "Clients MUST use code_challenge and code_verifier" (OAuth 2.1 section 4.1.1).
    ChallengeMissing,
    /// Anything but `S256`, and its absence, which would mean `plain`.
    ChallengeMethod,
    /// Not base64url of 32 bytes.
    Challenge,
    /// An unknown value, or `none` beside others.
    Prompt,
    /// No whole number of seconds.
    MaxAge,
    /// Not base64url of 32 bytes.
    Thumbprint,
    /// Not an id_token of this server for this client.
    Hint,
    /// OpenID Connect core section 6.
    RequestObject,
    /// Likewise, by reference.
    RequestUri,
    /// OpenID Connect core section 7.2.1.
    Registration,
    /// A resource server that the client may not ask tokens for (RFC 8707).
    Target,
    /// The client has to push its requests (RFC 9126 section 5).
    PushRequired,
    /// `prompt=none` without a session that would do.
    LoginRequired,
    /// `prompt=none` without a consent.
    ConsentRequired,
    /// The person said no.
    Denied,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Reason {}

impl Reason {
    /// What to do about it, in fixed words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::GrantNotAllowed => "the client may not use the authorization code grant",
            Self::ResponseTypeMissing => "response_type is missing",
            Self::ResponseType => "the only response_type is code",
            Self::ResponseMode => "the only response_mode is query",
            Self::Scope => "the scope is malformed, unknown, or more than the client may have",
            Self::NothingGranted => "nothing of the scope can be granted",
            Self::ChallengeMissing => "code_challenge is missing (PKCE, RFC 7636)",
            Self::ChallengeMethod => "code_challenge_method has to be S256",
            Self::Challenge => "code_challenge is not an S256 challenge",
            Self::Prompt => "prompt is none alone, or login and consent",
            Self::MaxAge => "max_age is a number of seconds",
            Self::Thumbprint => "dpop_jkt is not the SHA-256 thumbprint of a key",
            Self::Hint => "id_token_hint is not an id_token of this server for this client",
            Self::RequestObject => "request objects are not supported",
            Self::RequestUri => "request objects by reference are not supported",
            Self::Registration => "registration by the request is not supported",
            Self::Target => "the resource is unknown or not one for this client",
            Self::PushRequired => "the client has to push its authorization requests to /par (RFC 9126)",
            Self::LoginRequired => "the user has to sign in",
            Self::ConsentRequired => "the user has to consent",
            Self::Denied => "the user denied the request",
        }
    }

    /// The code on the wire.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::GrantNotAllowed => "unauthorized_client",
            Self::ResponseType => "unsupported_response_type",
            Self::Scope | Self::NothingGranted => "invalid_scope",
            Self::ResponseTypeMissing
            | Self::ResponseMode
            | Self::ChallengeMissing
            | Self::ChallengeMethod
            | Self::Challenge
            | Self::Prompt
            | Self::MaxAge
            | Self::Thumbprint
            | Self::Hint
            | Self::PushRequired => "invalid_request",
            Self::RequestObject => "request_not_supported",
            Self::RequestUri => "request_uri_not_supported",
            Self::Registration => "registration_not_supported",
            Self::Target => "invalid_target",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::Denied => "access_denied",
        }
    }
}

impl From<ClientError> for PageReason {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Internal(error) => Self::Database(error),
            _ => Self::Request("the client is unknown"),
        }
    }
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Page(error.into())
    }
}
