//! Access tokens in requests (RFC 6750, RFC 9449), as an axum extractor whose type is the permission, and as a tower layer.
//!
//! 1. `credentials` takes the token out of `Authorization`; query and body are never read for one (RFC 9700 section
//!    4.3.2).
//! 2. [`Gate::authenticate`] verifies it; an unknown key makes the [`Keys`] look for it once. A token that is bound to a key
//!    comes by the scheme `DPoP` with a proof ([`super::dpop`]), any other by `Bearer`: neither is taken for the other.
//! 3. [`Gate::permit`] asks whether the scope is in the token, and whether what was revoked is known well enough for this
//!    request ([`WhenStale`]).
//! 4. Where there are [`Limits`], the request is counted for the token's subject and client before that.
//! 5. [`Denied`] answers, with one text for every bad token; the precise reason goes to the log, once.
//!
//! [`Authorized`] in a handler's signature is the check; [`RequireLayer`] puts the same before routes that are not ours.
//!
//! ```
//! use shared::token::bearer::{Authorized, Permission};
//!
//! struct MoviesRead;
//!
//! impl Permission for MoviesRead {
//!     const SCOPE: &'static str = "movies:read";
//! }
//!
//! // First among the parameters, so that the token is checked before anything else is looked at.
//! async fn find_movie(caller: Authorized<MoviesRead>) -> String {
//!     format!("hello {}", caller.claims().sub)
//! }
//! ```

mod binding;
mod credentials;
mod denied;
mod layer;
mod limits;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Method;
use axum::http::request::Parts;
use url::Url;

use super::claims::AccessClaims;
use super::dpop::Proofs;
use super::revocations::{Freshness, Revocations};
use super::source::Keys;
use super::verifier::{Refusal, Verifier};
use crate::clock::Clock;
use crate::http::docs::Answers;
use crate::metrics;
use credentials::Scheme;
use denied::{Guarded, Reason, Takes};

pub use denied::Denied;
pub use layer::{Require, RequireLayer};
pub use limits::{LEFT as LIMITS_LEFT, Limit, LimitError, Limits, POLICY as LIMITS_POLICY, Tell, TellLayer};

/// A scope as a type, so that a handler's signature says what it needs.
pub trait Permission: Send + Sync + 'static {
    /// The scope that the token must have.
    const SCOPE: &'static str;
    /// What happens while nobody knows what was revoked within the last minute.
    const WHEN_STALE: WhenStale = WhenStale::RefuseWrites;
}

/// What a route does while the feed of revocations is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStale {
    /// Safe methods (RFC 9110 section 9.2.1) go on, the others are 503.
    RefuseWrites,
    /// Everything goes on.
    GoOn,
    /// Everything is 503.
    Refuse,
}

impl WhenStale {
    fn refuses(self, method: &Method) -> bool {
        match self {
            Self::RefuseWrites => !method.is_safe(),
            Self::GoOn => false,
            Self::Refuse => true,
        }
    }
}

/// Proof that the request carries a good token with the scope of `P`. Nothing but a [`Gate`] makes one.
pub struct Authorized<P> {
    claims: Arc<AccessClaims>,
    permission: PhantomData<fn() -> P>,
}

impl<P> Authorized<P> {
    /// Who it is: what belongs to a user is kept under this, never under a name or an address, which change hands.
    pub fn identity(&self) -> Identity<'_> {
        Identity { iss: &self.claims.iss, sub: &self.claims.sub }
    }

    /// What the token says.
    pub fn claims(&self) -> &AccessClaims {
        &self.claims
    }
}

/// A subject (RFC 9068 section 5): `sub` is unique within its issuer only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The user, or a client that acts for itself.
    pub sub: &'a str,
}

/// By hand, because the derived one would ask it of `P`.
impl<P> Clone for Authorized<P> {
    fn clone(&self) -> Self {
        Self { claims: Arc::clone(&self.claims), permission: PhantomData }
    }
}

impl<P: Permission> Authorized<P> {
    /// What a route with this in its signature may answer before its handler runs, for its documentation; `realm` is the
    /// [`Gate`]'s.
    #[must_use]
    pub fn documented(realm: &str) -> Answers {
        denied::documented(realm, P::SCOPE, P::WHEN_STALE)
    }
}

/// What stands before protected routes; put an `Arc` of it into the router's state.
pub struct Gate {
    verifier: Verifier,
    keys: Keys,
    guarded: Arc<Guarded>,
    /// Without it no bound token is taken.
    proofs: Option<Proofs>,
    clock: Clock,
    limits: Option<Limits>,
    stale: AtomicU64,
}

impl Gate {
    /// A gate that verifies with `verifier`, which must hold the set of `keys`, and reads the time from `clock`. The
    /// realm names what is protected; characters that a quoted string cannot carry are dropped from it.
    pub fn new(verifier: Verifier, keys: Keys, realm: &str, clock: Clock) -> Self {
        let quotable = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let realm = realm.chars().filter(quotable).collect();
        let guarded = Arc::new(Guarded { realm, metadata: None, takes: Takes::Bearer });
        Self { verifier, keys, guarded, proofs: None, clock, limits: None, stale: AtomicU64::new(0) }
    }

    /// The same, and tokens that are bound to a key are taken with their proof (RFC 9449). Without this they are refused.
    #[must_use]
    pub fn with_proofs(self, proofs: Proofs) -> Self {
        let guarded = Arc::new(Guarded { takes: Takes::Both, ..self.guarded.as_ref().clone() });
        Self { proofs: Some(proofs), guarded, ..self }
    }

    /// The same, and no other tokens are taken.
    #[must_use]
    pub fn with_proofs_alone(self, proofs: Proofs) -> Self {
        let guarded = Arc::new(Guarded { takes: Takes::Bound, ..self.guarded.as_ref().clone() });
        Self { proofs: Some(proofs), guarded, ..self }
    }

    /// The same, and challenges tell where the metadata of what is guarded is (RFC 9728 section 5.1): an address as
    /// [`super::resource::metadata_address`] makes it.
    #[must_use]
    pub fn with_metadata(self, address: &Url) -> Self {
        let guarded = Arc::new(Guarded { metadata: Some(address.to_string()), ..self.guarded.as_ref().clone() });
        Self { guarded, ..self }
    }

    /// The same, which counts the requests of each caller.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// The clock that tokens are checked by, for handlers that need the time.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is revoked, and how current that is.
    pub fn revocations(&self) -> &Revocations {
        self.verifier.revocations()
    }

    /// How many requests went on although the feed of revocations was stale, since the start.
    pub fn passed_while_stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    /// Where the keys come from, for readiness and metrics.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The claims of the token that the request carries, whatever its scope.
    ///
    /// # Errors
    ///
    /// The complete answer to send.
    pub async fn authenticate(&self, parts: &mut Parts) -> Result<Arc<AccessClaims>, Denied> {
        let (scheme, token) = self.judge(credentials::token(parts).await)?;
        match self.verify(&token).await {
            // Most tokens, and what they are taken for: nothing is asked of them but this.
            Ok(claims) if claims.cnf.is_none() && scheme == Scheme::Bearer && self.guarded.takes != Takes::Bound => {
                Ok(claims)
            }
            Ok(claims) => self.check_binding(parts, scheme, &token, &claims).map(|()| claims),
            Err(Refusal::KeyUnknown { .. }) if !self.keys.is_ready() => Err(self.deny(scheme, Reason::KeysUnavailable)),
            Err(refusal) => {
                metrics::token_checked("refused");
                tracing::info!(token.refusal = refusal.reason(), token.detail = %refusal, "token refused");
                Err(self.deny(scheme, Reason::Invalid))
            }
        }
    }

    /// Whether the claims allow what needs `scope`.
    ///
    /// # Errors
    ///
    /// The complete answer to send.
    pub fn permit(&self, claims: &AccessClaims, scope: &'static str) -> Result<(), Denied> {
        if claims.scope.contains(scope) {
            return Ok(());
        }
        tracing::info!(
            token.refusal = "insufficient_scope",
            token.needs = scope,
            client.id = claims.client_id,
            "token refused"
        );
        Err(self.deny(binding::scheme(claims), Reason::Scope(scope)))
    }

    /// The answer to a token that verifies but is dead for a reason that only the caller can know: revoked, or its user
    /// gone. It does not tell from one that does not verify.
    pub fn refuse(&self, claims: &AccessClaims, reason: &'static str) -> Denied {
        tracing::info!(token.refusal = reason, client.id = claims.client_id, "token refused");
        self.deny(binding::scheme(claims), Reason::Invalid)
    }

    /// Whether the request may go on with what is known of revocations now.
    ///
    /// # Errors
    ///
    /// The complete answer to send.
    pub fn trust(&self, when_stale: WhenStale, method: &Method) -> Result<(), Denied> {
        let Freshness::Stale(age) = self.revocations().freshness() else { return Ok(()) };
        if when_stale.refuses(method) {
            let age = age.map(|age| age.as_secs());
            tracing::warn!(revocations.age_seconds = age, "refused: what was revoked is not known");
            return Err(self.deny(Scheme::Bearer, Reason::RevocationsStale));
        }
        self.stale.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Counts one request of whoever holds this token, which has to be a good one.
    fn count(&self, parts: &Parts, claims: &AccessClaims) -> Result<(), Denied> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let counted = limits.count(claims);
        limits::tell(parts, counted.unwrap_or_else(|told| told));
        counted.map(drop).map_err(|told| {
            tracing::info!(client.id = claims.client_id, user.id = claims.sub, "too many requests");
            self.deny(Scheme::Bearer, Reason::Limited(told))
        })
    }

    /// All of it: whose token it is, whether there is something left for them, what it allows, and whether that can be relied
    /// on.
    async fn admit<P: Permission>(&self, parts: &mut Parts) -> Result<Authorized<P>, Denied> {
        let claims = self.authenticate(parts).await?;
        self.count(parts, &claims)?;
        self.permit(&claims, P::SCOPE)?;
        self.trust(P::WHEN_STALE, &parts.method)?;
        Ok(Authorized { claims, permission: PhantomData })
    }

    async fn verify(&self, token: &str) -> Result<Arc<AccessClaims>, Refusal> {
        let now = self.clock.now();
        match self.verifier.verify(token, now) {
            // Boxed, like whatever is seldom: every request would carry the room for it.
            Err(Refusal::KeyUnknown { kid }) if Box::pin(self.keys.seek(&kid)).await => {
                self.verifier.verify(token, now)
            }
            outcome => outcome,
        }
    }

    fn deny(&self, scheme: Scheme, reason: Reason) -> Denied {
        Denied::new(Arc::clone(&self.guarded), scheme, reason)
    }
}

impl<S, P> FromRequestParts<S> for Authorized<P>
where
    S: Send + Sync,
    P: Permission,
    Arc<Gate>: FromRef<S>,
{
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Denied> {
        // The layer was there before.
        if let Some(admitted) = parts.extensions.get::<Self>() {
            return Ok(admitted.clone());
        }
        Arc::<Gate>::from_ref(state).admit(parts).await
    }
}
