//! The answers to requests without a good token: RFC 6750 section 3 challenges and RFC 9457 bodies.

use std::sync::Arc;

use axum::http::header::{VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::WhenStale;
use super::limits::{LEFT, POLICY, Told};
use crate::http::docs::Answers;
use crate::http::problem::Problem;

/// When to come back where no key is held yet, in seconds: about one fetch.
const KEYS_RETRY_AFTER: u32 = 5;

/// When to come back where the feed of revocations is stale, in seconds: it is read again at least that often.
const FEED_RETRY_AFTER: u32 = 5;

/// A complete refusal, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    realm: Arc<str>,
    reason: Reason,
}

/// As much as the caller may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// No credentials, or not of this scheme.
    Missing,
    /// Credentials that are not one token.
    Malformed,
    /// A token that is not good, for whatever cause.
    Invalid,
    /// A good token without this scope.
    Scope(&'static str),
    /// No key to check with.
    KeysUnavailable,
    /// Nobody knows what was revoked lately.
    RevocationsStale,
    /// One request too many of this subject or client.
    Limited(Told),
}

impl Denied {
    pub(super) fn new(realm: Arc<str>, reason: Reason) -> Self {
        Self { realm, reason }
    }

    /// RFC 6750 section 3: parameters separated by commas; no `error` where there were no credentials.
    fn challenge(&self) -> Option<String> {
        let realm = &self.realm;
        let error =
            |code: &str, text: &str| format!(r#"Bearer realm="{realm}", error="{code}", error_description="{text}""#);
        match self.reason {
            Reason::Missing => Some(format!(r#"Bearer realm="{realm}""#)),
            Reason::Malformed => {
                Some(error("invalid_request", "The request must carry exactly one well-formed bearer token."))
            }
            Reason::Invalid => Some(error("invalid_token", INVALID)),
            Reason::Scope(scope) => Some(format!(
                r#"{}, scope="{scope}""#,
                error("insufficient_scope", "The token does not have the scope that this needs.")
            )),
            Reason::KeysUnavailable | Reason::RevocationsStale | Reason::Limited(_) => None,
        }
    }

    fn problem(&self) -> Problem {
        match self.reason {
            Reason::Missing => Problem::new(StatusCode::UNAUTHORIZED, "token_missing", "A bearer token is required"),
            Reason::Malformed => Problem::new(StatusCode::BAD_REQUEST, "request_malformed", "The request is malformed")
                .detail("The request must carry exactly one well-formed bearer token, in the Authorization header."),
            Reason::Invalid => {
                Problem::new(StatusCode::UNAUTHORIZED, "token_invalid", "The bearer token is not valid").detail(INVALID)
            }
            Reason::Scope(scope) => {
                Problem::new(StatusCode::FORBIDDEN, "scope_insufficient", "The bearer token's scope is too narrow")
                    .detail(format!("This needs the scope {scope}."))
            }
            Reason::KeysUnavailable => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "keys_unavailable",
                "Tokens cannot be checked at the moment",
            )
            .retry_after(KEYS_RETRY_AFTER),
            Reason::RevocationsStale => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "revocations_stale",
                "It is not known at the moment which tokens were revoked",
            )
            .retry_after(FEED_RETRY_AFTER),
            Reason::Limited(told) => {
                let (policy, seconds) = told.refusal().unwrap_or(("subject", 1));
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "There were too many requests")
                    .detail(format!("The limit of this {policy} is spent."))
                    .retry_after(seconds)
            }
        }
    }
}

/// What a route behind a token with `scope` may answer before its handler is asked: every refusal as it is sent.
///
/// A route that refuses writes alone while revocations are stale adds that to its writes by itself: a scope does not know
/// the method.
pub(super) fn documented(realm: &str, scope: &'static str, when_stale: WhenStale) -> Answers {
    const MEANING: &str = "The challenge (RFC 6750 section 3), where the token is at fault.";
    let limited = Reason::Limited(Told::EXAMPLE);
    let reasons =
        [Reason::Missing, Reason::Malformed, Reason::Invalid, Reason::Scope(scope), limited, Reason::KeysUnavailable];
    let stale = (when_stale == WhenStale::Refuse).then_some(Reason::RevocationsStale);
    reasons.into_iter().chain(stale).fold(Answers::problems(), |answers, reason| {
        let denied = Denied::new(Arc::from(realm), reason);
        let problem = denied.problem();
        let status = problem.status();
        let mut answers = answers.problem(&problem);
        if let Reason::Limited(told) = reason {
            answers =
                answers.header(status, &POLICY, "What each policy allows at once, and its seconds.", &told.policy());
            answers = answers.header(status, &LEFT, "What is left, and for how many seconds.", &told.left());
        }
        match denied.challenge() {
            Some(challenge) => answers.header(status, &WWW_AUTHENTICATE, MEANING, &challenge),
            None => answers,
        }
    })
}

/// One text for every cause: which rule a token broke is of use to whoever forges one.
const INVALID: &str = "The token is expired, revoked, malformed or not meant for this service.";

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Authorization"));
        if let Reason::Limited(told) = self.reason {
            told.set(headers);
        }
        // Realm and scopes are printable ASCII by construction, so the conversion cannot fail.
        if let Some(challenge) = self.challenge().and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
