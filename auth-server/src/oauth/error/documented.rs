//! Refusals in the OpenAPI document, each by the match that answers it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use shared::db::DbError;
use shared::http::docs::Answers;
use shared::token::dpop::ProofRefusal;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::{Answer, CHALLENGE, TokenError};
use crate::clients;
use crate::devices::{DeviceError, StartError};
use crate::limits::Throttled;
use crate::oauth::authorize::Reason;
use crate::passwords::LaneError;
use crate::users;
use crate::web::error::ErrorBody;
use crate::web::form::FormError;

/// What these errors look like on the wire.
pub(in crate::oauth) fn documented(errors: &[TokenError]) -> Answers {
    let answers = Answers::of::<ErrorBody>("application/json");
    errors.iter().map(Answer::from).fold(answers, |answers, answer| {
        let Answer { status, error, description, retry_after } = answer;
        let body = serde_json::json!(ErrorBody { error, error_description: description });
        let answers = answers.example(status, error, description, body);
        match (status, retry_after) {
            (StatusCode::UNAUTHORIZED, _) => {
                answers.header(status, &WWW_AUTHENTICATE, "How to authenticate (RFC 7617).", CHALLENGE)
            }
            (_, Some(seconds)) => answers.retry_after(status, seconds),
            _ => answers,
        }
    })
}

/// One reason for each code and status that the token endpoint answers with.
impl IntoResponses for TokenError {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let errors = [
            Self::Missing("grant_type"),
            Self::User(users::AuthenticateError::Refused(users::Refusal::UnknownUser)),
            Self::Device(DeviceError::Pending),
            Self::Device(DeviceError::SlowDown),
            Self::Device(DeviceError::Denied),
            Self::Device(DeviceError::Expired),
            Self::UnknownGrant,
            Self::GrantNotAllowed,
            Self::Scope,
            Self::Target,
            Self::Proof(ProofRefusal::Replayed),
            Self::Nonce,
            Self::Client(clients::AuthenticateError::Unknown),
            Self::Form(FormError::TooLarge),
            Self::Throttled(Throttled { retry_after: Duration::from_secs(1), limit: "" }),
            Self::Machine("a defect"),
            Self::User(users::AuthenticateError::Lane(LaneError::Busy { retry_after: Duration::from_secs(1) })),
            Self::Database(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
        ];
        documented(&errors).into_responses()
    }
}

/// What every endpoint answers that authenticates clients and gives out nothing.
pub(in crate::oauth) struct ClientErrors;

impl IntoResponses for ClientErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let errors = [
            TokenError::Missing("token"),
            TokenError::Client(clients::AuthenticateError::Unknown),
            TokenError::Form(FormError::TooLarge),
            TokenError::Machine("a defect"),
            TokenError::Database(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
        ];
        documented(&errors).into_responses()
    }
}

/// What the device authorization endpoint answers.
pub(in crate::oauth) struct DeviceErrors;

impl IntoResponses for DeviceErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let throttled = Throttled { retry_after: Duration::from_secs(1), limit: "" };
        let errors = [
            TokenError::Form(FormError::Repeated),
            TokenError::GrantNotAllowed,
            TokenError::Scope,
            TokenError::Target,
            TokenError::Client(clients::AuthenticateError::Unknown),
            TokenError::Form(FormError::TooLarge),
            TokenError::DeviceStart(StartError::Throttled(throttled)),
            TokenError::Machine("a defect"),
            TokenError::Database(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
        ];
        documented(&errors).into_responses()
    }
}

/// What the reports of resource servers are answered.
pub(in crate::oauth) struct ReportErrors;

impl IntoResponses for ReportErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let errors = [
            TokenError::Report,
            TokenError::MayNotReport,
            TokenError::Client(clients::AuthenticateError::Unknown),
            TokenError::Form(FormError::TooLarge),
            TokenError::Throttled(Throttled { retry_after: Duration::from_secs(1), limit: "" }),
            TokenError::Machine("a defect"),
            TokenError::Database(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
        ];
        documented(&errors).into_responses()
    }
}

/// What the endpoint of pushed authorization requests answers.
pub(in crate::oauth) struct PushErrors;

impl IntoResponses for PushErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let errors = [
            TokenError::PushedTwice,
            TokenError::Pushed(Reason::GrantNotAllowed),
            TokenError::Pushed(Reason::ResponseType),
            TokenError::Pushed(Reason::Scope),
            TokenError::Pushed(Reason::Target),
            TokenError::Pushed(Reason::RequestObject),
            TokenError::Pushed(Reason::Registration),
            TokenError::Proof(ProofRefusal::Replayed),
            TokenError::Nonce,
            TokenError::Client(clients::AuthenticateError::Unknown),
            TokenError::Form(FormError::TooLarge),
            TokenError::Throttled(Throttled { retry_after: Duration::from_secs(1), limit: "" }),
            TokenError::Machine("a defect"),
            TokenError::Database(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
        ];
        documented(&errors).into_responses()
    }
}

/// What the revocation feed answers.
pub(in crate::oauth) struct FeedErrors;

impl IntoResponses for FeedErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let errors = [
            TokenError::Since,
            TokenError::Machine("a defect"),
            TokenError::Database(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
        ];
        documented(&errors).into_responses()
    }
}
