//! Access tokens of our own that come back: to be revoked, introspected, or to ask for userinfo.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::token::claims::{AccessClaims, Audience};
use shared::token::keys::KeySet;
use shared::token::verifier::Verifier;

/// One verifier for each audience that a token of ours was seen for; cheap to clone.
#[derive(Clone)]
pub struct OwnTokens {
    issuer: Arc<str>,
    keys: Arc<ArcSwap<KeySet>>,
    verifiers: Arc<RwLock<HashMap<String, Arc<Verifier>>>>,
}

/// A token that we signed and that has not expired.
pub(super) struct OwnToken {
    pub(super) claims: Arc<AccessClaims>,
    pub(super) kid: String,
}

#[derive(Deserialize)]
struct AudienceOnly {
    aud: String,
}

#[derive(Deserialize)]
struct KidOnly {
    kid: String,
}

impl OwnTokens {
    /// Verifies by these keys, whoever replaces them.
    #[must_use]
    pub fn new(issuer: &str, keys: Arc<ArcSwap<KeySet>>) -> Self {
        Self { issuer: issuer.into(), keys, verifiers: Arc::default() }
    }

    /// `None` for whatever is no good token of ours: a caller is never told why.
    pub(super) fn verify(&self, token: &str, now: DateTime<Utc>) -> Option<OwnToken> {
        let mut segments = token.split('.');
        let KidOnly { kid } = read(segments.next()?)?;
        let AudienceOnly { aud } = read(segments.next()?)?;
        let known = self.verifiers.read().unwrap_or_else(PoisonError::into_inner).get(&aud).cloned();
        let verifier = match &known {
            Some(verifier) => Arc::clone(verifier),
            None => Arc::new(Verifier::new(&*self.issuer, &*aud, Arc::clone(&self.keys))),
        };
        let claims = verifier.verify(token, now).ok()?;
        if known.is_none() {
            // Only what a token of ours named is kept: nobody else makes this grow.
            self.verifiers.write().unwrap_or_else(PoisonError::into_inner).insert(aud, verifier);
        }
        Some(OwnToken { claims, kid })
    }
}

impl OwnToken {
    /// The resource server that it is for.
    pub(super) fn audience(&self) -> &Audience {
        &self.claims.aud
    }
}

/// A look inside before anything is proven; the verifier reads it again, strictly.
fn read<T: serde::de::DeserializeOwned>(segment: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}
