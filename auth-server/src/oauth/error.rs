//! The one place where reasons become OAuth error codes (RFC 6749 section 5.2): many reasons in the log, few codes on
//! the wire.

mod answer;
mod device;
mod documented;
mod proof;
mod recorded;

use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use shared::db::DbError;
use shared::token::dpop::ProofRefusal;

use crate::clients;
use crate::codes::RedeemError;
use crate::devices::{self, DeviceError};
use crate::keys::KeysError;
use crate::limits::Throttled;
use crate::logins;
use crate::oauth::authorize::{PageReason, Reason, Refused};
use crate::oauth::target::TargetError;
use crate::passwords::PlainError;
use crate::pushed_requests::PushError;
use crate::tokens;
use crate::users;
use crate::web::client_auth::ClientAuthError;
use crate::web::error::plain;
use crate::web::form::FormError;

use self::answer::Answer;
pub(super) use self::documented::{ClientErrors, DeviceErrors, FeedErrors, PushErrors, ReportErrors, documented};

/// Why a request to `/token`, `/revoke`, `/introspect`, `/device_authorization` or `/resource_server_report` was refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The body is no form that we read.
    #[error("form: {0}")]
    Form(#[from] FormError),
    /// Two `Authorization` headers, or one that is no text.
    #[error("the Authorization header stands more than once or is no text")]
    Authorization,
    /// A parameter that the grant needs.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The client's credentials contradict each other or cannot be read.
    #[error("client credentials: {0}")]
    ClientCredentials(#[from] ClientAuthError),
    /// No client was named, and none is configured to stand in.
    #[error("no client was named")]
    NoClient,
    /// The client was not authenticated.
    #[error("client: {0}")]
    Client(#[from] clients::AuthenticateError),
    /// A `grant_type` that this server does not have.
    #[error("the grant type is not one of this server")]
    UnknownGrant,
    /// A public client asked what a token is worth.
    #[error("a public client may not introspect")]
    MayNotIntrospect,
    /// A client reported what a resource server holds, and serves none.
    #[error("the client serves no resource server")]
    MayNotReport,
    /// A body that is no report of a resource server.
    #[error("the body is no report")]
    Report,
    /// A report of a process that another client reported first.
    #[error("the process reports as another client")]
    OthersProcess,
    /// A grant that this client may not use.
    #[error("the client may not use this grant")]
    GrantNotAllowed,
    /// No number from which to read the revocation feed on.
    #[error("since is not one whole number")]
    Since,
    /// Outside the grammar of RFC 6749 section 3.3.
    #[error("the scope is malformed")]
    Scope,
    /// Well-formed, but unknown or more than may be asked for.
    #[error("the scope is unknown or wider than {0}")]
    WiderScope(&'static str),
    /// Nothing of what was asked is left for this user.
    #[error("the user has none of the scopes")]
    NothingGranted,
    /// Another resource server than the client's, or none that the grant is for.
    #[error("the resource is unknown, not one for the client, or none that the grant is for")]
    Target,
    /// A pushed authorization request that a browser could not bring either; the client is known.
    #[error("pushed request: {0}")]
    Pushed(Reason),
    /// Likewise, of a client whose address is not proven.
    #[error("pushed request: {0}")]
    PushedUnproven(&'static str),
    /// A pushed request names a pushed request.
    #[error("request_uri was pushed")]
    PushedTwice,
    /// More than a browser could carry.
    #[error("the pushed request is larger than a browser's may be")]
    PushedTooLarge,
    /// A password that no user can have.
    #[error("password: {0}")]
    Password(#[from] PlainError),
    /// The resource owner was not authenticated.
    #[error("user: {0}")]
    User(#[from] users::AuthenticateError),
    /// No family of refresh tokens was started.
    #[error("refresh token: {0}")]
    Family(#[from] tokens::StartError),
    /// The refresh token was refused.
    #[error("refresh token: {0}")]
    Refresh(#[from] tokens::RefreshError),
    /// Too many failures, of a user or of a client.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The authorization code was refused.
    #[error("authorization code: {0}")]
    Code(#[from] RedeemError),
    /// The device code was refused, or is not good yet.
    #[error("device code: {0}")]
    Device(#[from] DeviceError),
    /// No device may start to wait.
    #[error("device: {0}")]
    DeviceStart(#[from] devices::StartError),
    /// The DPoP proof was refused, or there has to be one.
    #[error("proof: {0}")]
    Proof(#[from] ProofRefusal),
    /// The DPoP proof answers with no nonce of ours, or with an old one.
    #[error("the proof has no nonce of this server, or an old one")]
    Nonce,
    /// The state machine of the grant refused: a step was left out.
    #[error("the grant's state machine stopped: {0}")]
    Machine(&'static str),
    /// Signing failed.
    #[error("signing: {0}")]
    Sign(#[from] KeysError),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<TargetError> for TokenError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Refused => Self::Target,
            TargetError::Database(error) => Self::Database(error),
        }
    }
}

impl From<PushError> for TokenError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Randomness(_) => Self::Machine("the system gives no randomness"),
            PushError::Throttled(throttled) => throttled.into(),
            PushError::Database(error) => Self::Database(error),
        }
    }
}

impl From<Refused> for TokenError {
    /// Why a pushed authorization request is refused: whoever pushed it hears what a page would have said.
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Back(_, reason) => Self::Pushed(reason),
            Refused::Page(PageReason::Form(error)) => Self::Form(error),
            Refused::Page(PageReason::Request(text)) => Self::PushedUnproven(text),
            Refused::Page(PageReason::Sealed) => Self::Machine("something sealed was pushed"),
            Refused::Page(PageReason::Machine(text)) => Self::Machine(text),
            Refused::Page(PageReason::Code(error)) => Self::Code(error),
            Refused::Page(PageReason::Database(error)) => Self::Database(error),
        }
    }
}

impl From<logins::AuthenticateError> for TokenError {
    fn from(error: logins::AuthenticateError) -> Self {
        match error {
            logins::AuthenticateError::Throttled(throttled) => throttled.into(),
            logins::AuthenticateError::User(error) => error.into(),
        }
    }
}

impl From<logins::ClientAuthenticateError> for TokenError {
    fn from(error: logins::ClientAuthenticateError) -> Self {
        match error {
            logins::ClientAuthenticateError::Throttled(throttled) => throttled.into(),
            logins::ClientAuthenticateError::Client(error) => error.into(),
        }
    }
}

/// How a client may authenticate (RFC 7617).
const CHALLENGE: &str = "Basic realm=\"auth-server\"";

const fn is_waiting(error: &TokenError) -> bool {
    matches!(error, TokenError::Device(DeviceError::Pending | DeviceError::SlowDown))
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let answer = Answer::from(&self);
        recorded::record(&self, answer.error);
        if answer.status.is_server_error() {
            tracing::error!(error = answer.error, reason = %self, "token request failed");
        } else if answer.status == StatusCode::TOO_MANY_REQUESTS || is_waiting(&self) {
            // That it begins is a warning of its own, once: a flood must not flood the log. A device that waits is
            // nothing to tell at all.
            tracing::debug!(error = answer.error, reason = %self, "token request refused");
        } else {
            tracing::info!(error = answer.error, reason = %self, "token request refused");
        }
        let mut response = plain(answer.status, answer.error, answer.description);
        if answer.status == StatusCode::UNAUTHORIZED {
            // "MUST ... include the WWW-Authenticate response header field matching the authentication scheme"
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        if let Some(seconds) = answer.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
