//! What each reason is on the wire. The match has no catch-all arm, so that a new reason has to choose.

use http::StatusCode;
use shared::db::DbError;

use super::TokenError;
use crate::clients;
use crate::codes::RedeemError;
use crate::devices;
use crate::passwords::{LaneError, PlainError};
use crate::tokens::{self, RefreshError};
use crate::users;
use crate::web::client_auth::ClientAuthError;
use crate::web::form::FormError;

/// An answer of RFC 6749 section 5.2. Texts are fixed: they hold nothing of the request.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: &'static str,
    pub(super) retry_after: Option<u64>,
}

impl Answer {
    pub(super) const fn new(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description, retry_after: None }
    }

    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) const fn invalid_client() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "the client could not be authenticated")
    }

    pub(super) const fn later(seconds: u64) -> Self {
        let text = "the server cannot answer now, try again later";
        let answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text);
        Self { retry_after: Some(seconds), ..answer }
    }

    pub(super) const fn throttled(seconds: u64) -> Self {
        let text = "there were too many failed attempts, try again later";
        let answer = Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text);
        Self { retry_after: Some(seconds), ..answer }
    }

    pub(super) const fn failed() -> Self {
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

    pub(super) const fn database(error: &DbError) -> Self {
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
