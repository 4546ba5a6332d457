//! The one place where reasons become OAuth error codes (RFC 6749 section 5.2): many reasons in the log, few codes on
//! the wire. The match has no catch-all arm, so that a new reason has to choose.

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
use crate::passwords::{LaneError, PlainError};
use crate::pushed_requests::PushError;
use crate::tokens::{self, RefreshError};
use crate::users;
use crate::web::client_auth::ClientAuthError;
use crate::web::error::plain;
use crate::web::form::FormError;

pub(super) use documented::{ClientErrors, DeviceErrors, FeedErrors, PushErrors, ReportErrors, documented};

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

/// An answer of RFC 6749 section 5.2. Texts are fixed: they hold nothing of the request.
struct Answer {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    retry_after: Option<u64>,
}

impl Answer {
    const fn new(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description, retry_after: None }
    }

    const fn invalid_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    const fn invalid_client() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "the client could not be authenticated")
    }

    const fn later(seconds: u64) -> Self {
        let text = "the server cannot answer now, try again later";
        let answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text);
        Self { retry_after: Some(seconds), ..answer }
    }

    const fn throttled(seconds: u64) -> Self {
        let text = "there were too many failed attempts, try again later";
        let answer = Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text);
        Self { retry_after: Some(seconds), ..answer }
    }

    const fn failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the server failed")
    }

    /// A client throws a token away that is `invalid_grant`: nothing that may pass by itself is called so.
    const fn refresh(error: &RefreshError) -> Self {
        match error {
            RefreshError::Malformed
            | RefreshError::Unknown
            | RefreshError::OtherClient
            | RefreshError::Revoked
            | RefreshError::FamilyEnded
            | RefreshError::UserChanged
            | RefreshError::ClientChanged
            | RefreshError::Expired
            | RefreshError::Reused { .. }
            | RefreshError::OtherKey
            | RefreshError::KeyGone(_) => {
                let text = "the refresh token is invalid, expired, revoked or another client's";
                Self::new(StatusCode::BAD_REQUEST, "invalid_grant", text)
            }
            RefreshError::Randomness(_) => Self::failed(),
            RefreshError::Database(error) => Self::database(error),
        }
    }

    /// One answer for whatever is wrong with a code: who guesses learns nothing.
    const fn code(error: &RedeemError) -> Self {
        match error {
            RedeemError::Malformed
            | RedeemError::Unknown
            | RedeemError::OtherClient
            | RedeemError::RedirectUri
            | RedeemError::VerifierMalformed
            | RedeemError::VerifierWrong
            | RedeemError::Burnt
            | RedeemError::Expired
            | RedeemError::Replayed
            | RedeemError::SessionEnded
            | RedeemError::OtherKey
            | RedeemError::UserChanged => {
                let text = "the authorization code, its redirect_uri or its code_verifier is invalid";
                Self::new(StatusCode::BAD_REQUEST, "invalid_grant", text)
            }
            RedeemError::Randomness(_) => Self::failed(),
            RedeemError::Database(error) => Self::database(error),
        }
    }

    const fn database(error: &DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::later(1),
            DbError::Other(_) => Self::failed(),
        }
    }
}

impl From<&TokenError> for Answer {
    fn from(error: &TokenError) -> Self {
        use StatusCode as Code;
        match error {
            TokenError::Form(FormError::TooLarge) => {
                Self::new(Code::PAYLOAD_TOO_LARGE, "invalid_request", "the body is larger than 65536 bytes")
            }
            TokenError::Form(FormError::ResourceRepeated) => {
                Self::new(Code::BAD_REQUEST, "invalid_target", form_text(FormError::ResourceRepeated))
            }
            TokenError::Form(form) => Self::invalid_request(form_text(*form)),
            TokenError::Authorization => Self::invalid_request("there has to be at most one Authorization header"),
            TokenError::Missing(parameter) => Self::invalid_request(missing_text(parameter)),
            TokenError::ClientCredentials(ClientAuthError::Several) => {
                Self::invalid_request("the client has to authenticate in one way, not in several")
            }
            TokenError::ClientCredentials(ClientAuthError::SecretAlone) => {
                Self::invalid_request("client_secret needs client_id beside it")
            }
            TokenError::ClientCredentials(
                ClientAuthError::Malformed
                | ClientAuthError::Id
                | ClientAuthError::AssertionType
                | ClientAuthError::Assertion(_)
                | ClientAuthError::AssertionClient,
            ) => Self::invalid_client(),
            TokenError::NoClient => Self::invalid_client(),
            TokenError::Client(clients::AuthenticateError::Internal(error)) => Self::database(error),
            TokenError::Client(
                clients::AuthenticateError::Unknown
                | clients::AuthenticateError::Disabled
                | clients::AuthenticateError::SecretMissing
                | clients::AuthenticateError::SecretWrong
                | clients::AuthenticateError::SecretUnexpected
                | clients::AuthenticateError::AssertionMissing
                | clients::AuthenticateError::AssertionUnexpected
                | clients::AuthenticateError::Assertion(_),
            ) => Self::invalid_client(),
            TokenError::UnknownGrant => {
                Self::new(Code::BAD_REQUEST, "unsupported_grant_type", "this server does not have this grant type")
            }
            TokenError::GrantNotAllowed => {
                Self::new(Code::BAD_REQUEST, "unauthorized_client", "the client may not use this grant type")
            }
            TokenError::Since => Self::invalid_request("since has to be one whole number"),
            TokenError::MayNotIntrospect => Self::invalid_client(),
            TokenError::MayNotReport => {
                Self::new(Code::BAD_REQUEST, "unauthorized_client", "the client serves no resource server")
            }
            TokenError::Report => Self::invalid_request("the body has to be a report in application/json"),
            TokenError::OthersProcess => {
                Self::new(Code::BAD_REQUEST, "unauthorized_client", "the process reports as another client")
            }
            TokenError::Scope | TokenError::WiderScope(_) => Self::new(
                Code::BAD_REQUEST,
                "invalid_scope",
                "the scope is malformed, unknown, or more than the client may have",
            ),
            TokenError::NothingGranted => {
                Self::new(Code::BAD_REQUEST, "invalid_scope", "nothing of the scope can be granted")
            }
            TokenError::Target => {
                Self::new(Code::BAD_REQUEST, "invalid_target", "the resource is unknown or not one for this client")
            }
            TokenError::Pushed(reason) => Self::new(Code::BAD_REQUEST, reason.code(), reason.text()),
            TokenError::PushedUnproven(text) => Self::invalid_request(text),
            TokenError::PushedTwice => Self::invalid_request("request_uri cannot be pushed (RFC 9126 section 2.1)"),
            TokenError::PushedTooLarge => Self::new(
                Code::PAYLOAD_TOO_LARGE,
                "invalid_request",
                "the request is larger than 10240 bytes, which is as much as a browser may bring",
            ),
            TokenError::Password(PlainError::TooLong) => {
                Self::invalid_request("the password is longer than 4096 bytes")
            }
            TokenError::Password(PlainError::Nul) => Self::invalid_request("a parameter holds a NUL character"),
            TokenError::User(users::AuthenticateError::Refused(_)) => {
                Self::new(Code::BAD_REQUEST, "invalid_grant", "the user name or the password is wrong")
            }
            TokenError::User(users::AuthenticateError::Lane(LaneError::Busy { retry_after })) => {
                Self::later(retry_after.as_secs().max(1))
            }
            TokenError::User(users::AuthenticateError::Lane(
                LaneError::Closed | LaneError::Panicked | LaneError::Hash(_),
            )) => Self::failed(),
            TokenError::User(users::AuthenticateError::Database(error)) => Self::database(error),
            TokenError::Family(tokens::StartError::UserChanged) => {
                Self::new(Code::BAD_REQUEST, "invalid_grant", "the user name or the password is wrong")
            }
            TokenError::Family(tokens::StartError::Randomness(_)) => Self::failed(),
            TokenError::Family(tokens::StartError::Database(error)) => Self::database(error),
            TokenError::Refresh(error) => Self::refresh(error),
            TokenError::Throttled(throttled) => Self::throttled(throttled.retry_after.as_secs().max(1)),
            TokenError::Code(error) => Self::code(error),
            TokenError::Device(error) => Self::device(error),
            TokenError::DeviceStart(devices::StartError::Throttled(throttled)) => {
                Self::too_many_devices(throttled.retry_after.as_secs().max(1))
            }
            TokenError::DeviceStart(devices::StartError::Randomness(_)) => Self::failed(),
            TokenError::DeviceStart(devices::StartError::Database(error)) => Self::database(error),
            TokenError::Proof(refusal) => Self::proof(refusal),
            TokenError::Nonce => Self::new(
                Code::BAD_REQUEST,
                "use_dpop_nonce",
                "the proof has to carry the nonce of the DPoP-Nonce header",
            ),
            TokenError::Machine(_) | TokenError::Sign(_) => Self::failed(),
            TokenError::Database(error) => Self::database(error),
        }
    }
}

/// The error's own text, which speaks of rules alone and keeps to the characters of RFC 6749 section 5.2.
const fn form_text(error: FormError) -> &'static str {
    match error {
        FormError::MediaType => "the body has to be application/x-www-form-urlencoded in UTF-8",
        FormError::TooLarge => "the body is larger than 65536 bytes",
        FormError::Unreadable => "the body could not be read",
        FormError::TooManyParameters => "there are more than 100 parameters",
        FormError::Encoding => "a parameter is not percent-encoded UTF-8",
        FormError::Nul => "a parameter holds a NUL character",
        FormError::Repeated => "a parameter stands more than once",
        FormError::ResourceRepeated => "one token has one audience: name one resource",
        FormError::InUri => "parameters belong into the body, not into the address",
    }
}

fn missing_text(parameter: &str) -> &'static str {
    match parameter {
        "grant_type" => "grant_type is missing",
        "username" => "username is missing",
        "password" => "password is missing",
        "refresh_token" => "refresh_token is missing",
        "code" => "code is missing",
        "redirect_uri" => "redirect_uri is missing",
        "code_verifier" => "code_verifier is missing",
        "device_code" => "device_code is missing",
        "token" => "token is missing",
        _ => "a parameter is missing",
    }
}

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
