//! The answers to requests without a good token: challenges of RFC 6750 section 3 and RFC 9449 section 7.1, and RFC 9457
//! bodies.

use std::sync::Arc;

use axum::http::header::{VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::WhenStale;
use super::credentials::Scheme;
use crate::http::docs::Answers;
use crate::http::problem::Problem;
use crate::token::dpop::ALGORITHMS;

/// When to come back where no key is held yet, in seconds: about one fetch.
const KEYS_RETRY_AFTER: u32 = 5;

/// When to come back where the feed of revocations is stale, in seconds: it is read again at least that often.
const FEED_RETRY_AFTER: u32 = 5;

/// A complete refusal, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    guarded: Arc<Guarded>,
    scheme: Scheme,
    reason: Reason,
}

/// What every challenge says of what it guards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guarded {
    pub(super) realm: String,
    /// Where clients find out what guards it (RFC 9728 section 5.1).
    pub(super) metadata: Option<String>,
    pub(super) takes: Takes,
}

/// The tokens that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Those that are bound to nothing.
    Bearer,
    /// Those, and bound ones with their proof.
    Both,
    /// Bound ones alone.
    Bound,
}

impl Guarded {
    /// RFC 6750 section 3: parameters separated by commas.
    fn challenge(&self, scheme: Scheme, rest: &[(&str, &str)]) -> String {
        let algorithms = ALGORITHMS.map(|algorithm| algorithm.as_str()).join(" ");
        let (scheme, algorithms) = match scheme {
            Scheme::Bearer => ("Bearer", None),
            Scheme::Dpop => ("DPoP", Some(("algs", algorithms.as_str()))),
        };
        let metadata = self.metadata.as_deref().map(|address| ("resource_metadata", address));
        let parameters = [("realm", self.realm.as_str())].into_iter().chain(algorithms).chain(rest.iter().copied());
        let parameters = parameters.chain(metadata).map(|(name, value)| format!(r#"{name}="{value}""#));
        format!("{scheme} {}", parameters.collect::<Vec<_>>().join(", "))
    }
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
    /// A bound token without a good proof.
    Proof,
    /// A good token without this scope.
    Scope(&'static str),
    /// No key to check with.
    KeysUnavailable,
    /// Nobody knows what was revoked lately.
    RevocationsStale,
}

impl Denied {
    pub(super) const fn new(guarded: Arc<Guarded>, scheme: Scheme, reason: Reason) -> Self {
        Self { guarded, scheme, reason }
    }

    /// One for each scheme that would have done; no `error` where there were no credentials.
    fn challenges(&self) -> Vec<String> {
        let refused = |code, text| vec![self.challenge(&[("error", code), ("error_description", text)])];
        match self.reason {
            Reason::Missing => self.invitations(),
            Reason::Malformed => {
                refused("invalid_request", "The request must carry exactly one well-formed bearer token.")
            }
            Reason::Invalid => {
                let others = self.invitations().into_iter().filter(|other| !other.starts_with("Bearer"));
                let others = others.take(if self.scheme == Scheme::Bearer { 1 } else { 0 });
                refused("invalid_token", INVALID).into_iter().chain(others).collect()
            }
            Reason::Proof => refused("invalid_dpop_proof", PROOF),
            Reason::Scope(scope) => {
                let text = "The token does not have the scope that this needs.";
                vec![self.challenge(&[("error", "insufficient_scope"), ("error_description", text), ("scope", scope)])]
            }
            Reason::KeysUnavailable | Reason::RevocationsStale => Vec::new(),
        }
    }

    fn challenge(&self, rest: &[(&str, &str)]) -> String {
        self.guarded.challenge(self.scheme, rest)
    }

    fn invitations(&self) -> Vec<String> {
        let schemes = match self.guarded.takes {
            Takes::Bearer => &[Scheme::Bearer][..],
            Takes::Both => &[Scheme::Bearer, Scheme::Dpop],
            Takes::Bound => &[Scheme::Dpop],
        };
        schemes.iter().map(|scheme| self.guarded.challenge(*scheme, &[])).collect()
    }

    fn problem(&self) -> Problem {
        match self.reason {
            Reason::Missing => Problem::new(StatusCode::UNAUTHORIZED, "token_missing", "A bearer token is required"),
            Reason::Malformed => Problem::new(StatusCode::BAD_REQUEST, "request_malformed", "The request is malformed")
                .detail("The request must carry exactly one well-formed bearer token, in the Authorization header."),
            Reason::Invalid => {
                Problem::new(StatusCode::UNAUTHORIZED, "token_invalid", "The bearer token is not valid").detail(INVALID)
            }
            Reason::Proof => {
                Problem::new(StatusCode::UNAUTHORIZED, "dpop_proof_invalid", "The DPoP proof is not valid")
                    .detail(PROOF)
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
        }
    }
}

/// What a route behind a token with `scope` may answer before its handler is asked: every refusal as it is sent.
///
/// A route that refuses writes alone while revocations are stale adds that to its writes by itself: a scope does not know
/// the method.
pub(super) fn documented(realm: &str, scope: &'static str, when_stale: WhenStale) -> Answers {
    const MEANING: &str =
        "The challenge (RFC 6750 section 3, RFC 9449 section 7.1), where the token or its proof is at fault.";
    let guarded = Arc::new(Guarded { realm: realm.to_owned(), metadata: None, takes: Takes::Both });
    let bearer = [Reason::Missing, Reason::Malformed, Reason::Invalid, Reason::Scope(scope), Reason::KeysUnavailable];
    let stale = (when_stale == WhenStale::Refuse).then_some(Reason::RevocationsStale);
    let reasons = bearer.into_iter().chain(stale).map(|reason| (Scheme::Bearer, reason));
    let reasons = [(Scheme::Dpop, Reason::Proof)].into_iter().chain(reasons);
    reasons.fold(Answers::problems(), |answers, (scheme, reason)| {
        let denied = Denied::new(Arc::clone(&guarded), scheme, reason);
        let problem = denied.problem();
        let status = problem.status();
        let answers = answers.problem(&problem);
        match denied.challenges().first() {
            Some(challenge) => answers.header(status, &WWW_AUTHENTICATE, MEANING, challenge),
            None => answers,
        }
    })
}

/// Likewise for proofs.
const PROOF: &str = "The DPoP proof is missing, malformed, too old, used before, or not for this request and token.";

/// One text for every cause: which rule a token broke is of use to whoever forges one.
const INVALID: &str = "The token is expired, revoked, malformed or not meant for this service.";

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Authorization"));
        // Realm, address and scopes are printable ASCII by construction, so the conversion cannot fail.
        for challenge in self.challenges().into_iter().filter_map(|text| HeaderValue::try_from(text).ok()) {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
