//! Giving codes out, and redeeming them in the steps that the room's header tells.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{DbError, Relay};
use shared::token::dpop::Thumbprint;
use uuid::Uuid;

use super::model::{Code, NewCode, StoredCode};
use super::store;
use crate::clients::{Client, GrantType};
use crate::revocations::{self, Revoked};
use crate::sessions::Sessions;
use crate::tokens::{NewFamily, RefreshToken, StartError, Tokens};
use crate::users::{User, Users};

/// Wrong verifiers until a code is worthless.
const MOST_FAILURES: i16 = 5;

/// Why a code was refused. All but the last two are one answer on the wire.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// Not one of this server's making.
    #[error("the text is no authorization code of this server")]
    Malformed,
    /// No row: never given out, or gone with its partition.
    #[error("no such authorization code is known")]
    Unknown,
    /// It was given to another client; that one may still redeem it.
    #[error("the authorization code is another client's")]
    OtherClient,
    /// `redirect_uri` is not the one of the authorization request (RFC 6749 section 4.1.3).
    #[error("the redirect_uri is not the one of the authorization request")]
    RedirectUri,
    /// Outside the grammar of RFC 7636 section 4.1.
    #[error("the code_verifier is malformed")]
    VerifierMalformed,
    /// It is not what the challenge was made of.
    #[error("the code_verifier is wrong")]
    VerifierWrong,
    /// Too many wrong verifiers.
    #[error("the authorization code was tried with wrong verifiers too often")]
    Burnt,
    /// Too late.
    #[error("the authorization code has expired")]
    Expired,
    /// Used before: what it gave is revoked now.
    #[error("the authorization code was used before: what it gave is revoked now")]
    Replayed,
    /// Another key than the one that it is bound to, or none.
    #[error("the authorization code is bound to another key")]
    OtherKey,
    /// The browser session has ended since.
    #[error("the browser session has ended")]
    SessionEnded,
    /// The user was disabled, deleted, or has another version.
    #[error("the user changed since the code was given out")]
    UserChanged,
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer: the code is as it was, or was consumed and the answer is lost.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<StartError> for RedeemError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::UserChanged => Self::UserChanged,
            StartError::Randomness(error) => Self::Randomness(error),
            StartError::Database(error) => Self::Database(error),
        }
    }
}

/// The codes. Cheap to clone.
#[derive(Clone)]
pub struct Codes {
    relay: Relay,
    ttl: TimeDelta,
    users: Users,
    sessions: Sessions,
    tokens: Tokens,
}

/// A redemption under way: the row was found, nothing is changed.
pub struct Redemption {
    code: Code,
    stored: StoredCode,
}

/// On what terms a code is redeemed.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The life of the access token that will be given out.
    pub access_ttl: Duration,
    /// The key that the tokens are bound to.
    pub key: Option<&'a Thumbprint>,
}

/// What a code gave.
pub struct Given {
    /// Who allowed it.
    pub user: User,
    /// What the code stood for.
    pub given_for: NewCode,
    /// The `sid` of the tokens.
    pub sid: Uuid,
    /// The first refresh token, where the client may refresh.
    pub refresh_token: Option<RefreshToken>,
}

impl Redemption {
    /// What the code stands for.
    #[must_use]
    pub const fn given_for(&self) -> &NewCode {
        &self.stored.given_for
    }
}

impl Codes {
    /// A service over this pool whose codes live for `ttl`.
    #[must_use]
    pub fn new(relay: Relay, ttl: Duration, sessions: Sessions, tokens: Tokens, users: Users) -> Self {
        Self { relay, ttl: TimeDelta::from_std(ttl).unwrap_or(TimeDelta::seconds(60)), users, sessions, tokens }
    }

    /// Gives out a code.
    ///
    /// # Errors
    /// [`RedeemError::Randomness`] and [`RedeemError::Database`].
    pub async fn issue(&self, new: &NewCode, now: DateTime<Utc>) -> Result<Code, RedeemError> {
        let code = Code::generate(now + self.ttl).map_err(RedeemError::Randomness)?;
        let mut conn = self.relay.acquire().await?;
        store::insert(&mut conn, &code, new, now).await?;
        conn.hand_on();
        Ok(code)
    }

    /// Step 1, and the first half of step 2: the code is this client's and was carried to this address.
    ///
    /// # Errors
    /// [`RedeemError`]; nothing was changed.
    pub async fn open(&self, text: &str, client: &Client, redirect_uri: &str) -> Result<Redemption, RedeemError> {
        let code = Code::parse(text).map_err(|_| RedeemError::Malformed)?;
        let mut conn = self.relay.acquire().await?;
        let stored = store::find(&mut conn, &code).await?.ok_or(RedeemError::Unknown)?;
        conn.hand_on();
        if stored.given_for.client_id != client.client_id {
            return Err(RedeemError::OtherClient);
        }
        if stored.given_for.redirect_uri != redirect_uri {
            return Err(RedeemError::RedirectUri);
        }
        if stored.failures >= MOST_FAILURES {
            return Err(RedeemError::Burnt);
        }
        Ok(Redemption { code, stored })
    }

    /// The second half of step 2 where it fails: counts a wrong verifier.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn count_failure(&self, redemption: &Redemption) -> Result<(), DbError> {
        let mut conn = self.relay.acquire().await?;
        store::count_failure(&mut conn, &redemption.code, MOST_FAILURES).await
    }

    /// Steps 3 to 5, for the right client with the right verifier and the right key.
    ///
    /// # Errors
    /// [`RedeemError`]; a revocation is committed by then, anything else is as it was.
    pub async fn redeem(
        &self,
        redemption: Redemption,
        client: &Client,
        terms: Terms<'_>,
        now: DateTime<Utc>,
    ) -> Result<Given, RedeemError> {
        let Redemption { code, stored } = redemption;
        if stored.consumed_at.is_some() {
            return Err(self.replayed(&code, now).await?);
        }
        let mut transaction = self.relay.begin().await?;
        if !store::consume(&mut transaction, &code, MOST_FAILURES, now).await? {
            drop(transaction);
            // Somebody was faster, or time has passed: a new statement tells which.
            let mut conn = self.relay.acquire().await?;
            return match store::find(&mut conn, &code).await? {
                Some(stored) if stored.consumed_at.is_some() => {
                    drop(conn);
                    Err(self.replayed(&code, now).await?)
                }
                Some(stored) if stored.failures >= MOST_FAILURES => Err(RedeemError::Burnt),
                Some(_) => Err(RedeemError::Expired),
                None => Err(RedeemError::Unknown),
            };
        }
        let given_for = stored.given_for;
        if !self.sessions.hold(&mut transaction, given_for.session_id, now).await? {
            return Err(RedeemError::SessionEnded);
        }
        let user = self.users.find_for_share(&mut transaction, given_for.sub).await?;
        let is_same = |user: &User| user.is_active() && user.token_version == given_for.user_version;
        let user = user.filter(is_same).ok_or(RedeemError::UserChanged)?;
        let (sid, refresh_token) = if client.allows(GrantType::RefreshToken) {
            let family = NewFamily {
                user: &user,
                client,
                scope: &given_for.scope,
                audience: given_for.audience.as_deref().unwrap_or(&client.audience),
                session_id: Some(given_for.session_id),
                auth_time: given_for.auth_time,
                access_ttl: terms.access_ttl,
                key: terms.key,
            };
            let started = self.tokens.start_in(&mut transaction, &family, now).await?;
            (started.family_id, Some(started.refresh_token))
        } else {
            (Uuid::new_v4(), None)
        };
        let seconds = i32::try_from(terms.access_ttl.as_secs()).unwrap_or(i32::MAX);
        store::update_given(&mut transaction, &code, sid, seconds).await?;
        transaction.commit().await?;
        Ok(Given { user, given_for, sid, refresh_token })
    }

    /// "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
    /// revoke (when possible) all tokens previously issued based on that authorization code." (RFC 6749 section 4.1.2)
    async fn replayed(&self, code: &Code, now: DateTime<Utc>) -> Result<RedeemError, DbError> {
        let mut transaction = self.relay.begin().await?;
        if let Some((sid, access_ttl)) = store::mark_replayed(&mut transaction, code, now).await? {
            // A family writes its own entry into the feed; where there was none, only the access token is left to kill.
            if !self.tokens.revoke_family(&mut transaction, sid, "its authorization code was used twice", now).await? {
                let access_ttl = TimeDelta::seconds(access_ttl.into());
                revocations::append(&mut transaction, &[Revoked::Session { sid, access_ttl }], now).await?;
            }
            tracing::warn!(token.sid = %sid, "authorization code replay: what it gave is revoked");
        }
        transaction.commit().await?;
        Ok(RedeemError::Replayed)
    }
}
