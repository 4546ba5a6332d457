//! A refresh, in the steps that the room's header tells.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::relay::Work;
use shared::db::{Conn, DbError};
use shared::token::dpop::Thumbprint;

use super::derive::{self, SALT_BYTES};
use super::model::{Family, RefreshToken};
use super::service::{Tokens, delta, revoke_family};
use super::store::{self, Rotation, TokenRow};
use crate::clients::{Client, ClientKind};
use crate::opaque::whole_seconds;
use crate::users::User;

/// Why a refresh token was refused. All but the last two are one answer on the wire.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not one of this server's making.
    #[error("the text is no refresh token of this server")]
    Malformed,
    /// No row: never given out, or gone with its partition.
    #[error("no such refresh token is known")]
    Unknown,
    /// It was given to another client; it still works for that one.
    #[error("the refresh token is another client's")]
    OtherClient,
    /// The family was revoked.
    #[error("the family was revoked")]
    Revoked,
    /// The family has lived as long as it may.
    #[error("the family has reached its absolute end")]
    FamilyEnded,
    /// The user was disabled, deleted, or has another version: a new password, for example.
    #[error("the user was disabled or changed since the login")]
    UserChanged,
    /// The client was disabled and enabled since.
    #[error("the client's tokens were all revoked since the login")]
    ClientChanged,
    /// Nobody used it in time.
    #[error("the refresh token was not used in time")]
    Expired,
    /// It is bound to a key, and the request proves another one or none; it still works for that key.
    #[error("the refresh token is bound to another key")]
    OtherKey,
    /// Somebody used it before: the family is revoked now.
    #[error("the refresh token was spent {age} s ago: its family is revoked now")]
    Reused {
        /// Seconds since it was spent.
        age: i64,
    },
    /// The successor cannot be derived again: the key encryption key of then is gone.
    #[error("the key encryption key {0} is not known here any more: the lost successor cannot be derived again")]
    KeyGone(String),
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer: the token stays as it was, or was rotated and answers again within the window.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// A refresh under way: steps 1 to 5 are done, the family is locked, nothing is written. Dropping it changes nothing.
pub struct Opened {
    transaction: Work,
    presented: RefreshToken,
    family: Family,
    row: TokenRow,
    user: User,
    now: DateTime<Utc>,
}

/// A refresh that was committed.
pub struct Rotated {
    /// The successor.
    pub refresh_token: RefreshToken,
    /// What it came from.
    pub family: Family,
    /// Whose it is, as read under the lock.
    pub user: User,
}

impl Tokens {
    /// Steps 1 to 5, but for the scope, which the caller's state machine judges.
    ///
    /// # Errors
    /// [`RefreshError`]; nothing was written.
    pub async fn open(&self, text: &str, client: &Client, now: DateTime<Utc>) -> Result<Opened, RefreshError> {
        let presented = RefreshToken::parse(text).map_err(|_| RefreshError::Malformed)?;
        let (hash, expires_at) = (presented.hash(), presented.expires_at());
        let mut transaction = self.relay.begin().await?;
        let family_id = store::find_family_id(&mut transaction, &hash, expires_at).await?;
        let family_id = family_id.ok_or(RefreshError::Unknown)?;
        let family = store::lock_family(&mut transaction, family_id).await?.ok_or(RefreshError::Unknown)?;
        crate::audit::note_subject(family.sub);
        let row = store::find_token(&mut transaction, &hash, expires_at).await?.ok_or(RefreshError::Unknown)?;
        if family.client_id != client.client_id {
            return Err(RefreshError::OtherClient);
        }
        if family.revoked_at.is_some() {
            return Err(RefreshError::Revoked);
        }
        if family.expires_at <= now {
            return Err(RefreshError::FamilyEnded);
        }
        if family.client_version != client.client_version {
            return Err(RefreshError::ClientChanged);
        }
        let user = self.users.find_in(&mut transaction, family.sub).await?;
        let is_same = |user: &User| user.is_active() && user.token_version == family.user_version;
        let user = user.filter(is_same).ok_or(RefreshError::UserChanged)?;
        Ok(Opened { transaction, presented, family, row, user, now })
    }

    /// Steps 6 to 8: rotates, answers the same successor again, or revokes the family of a token that was used twice.
    /// `access_ttl` is the life of the access token that will be given out with it, `key` what it is bound to.
    ///
    /// A token that is bound to another key is refused while it is unspent, and nothing is written; once it was spent it is
    /// reuse, in the window too: whoever has the key would have used it.
    ///
    /// # Errors
    /// [`RefreshError`]; a revocation is committed by then.
    pub async fn rotate(
        &self,
        mut opened: Opened,
        client: &Client,
        access_ttl: Duration,
        key: Option<&Thumbprint>,
    ) -> Result<Rotated, RefreshError> {
        let holds_key = opened.family.dpop_jkt.as_ref().is_none_or(|bound| key == Some(bound));
        match opened.row.rotated_at {
            None if !holds_key => Err(RefreshError::OtherKey),
            None if opened.row.expires_at <= opened.now => Err(RefreshError::Expired),
            None => {
                opened.bind(client, key).await?;
                self.spend(opened, client, access_ttl).await
            }
            Some(rotated_at) if holds_key => self.answer_again(opened, client, rotated_at).await,
            Some(rotated_at) => Err(opened.revoke(rotated_at).await?),
        }
    }

    async fn spend(&self, opened: Opened, client: &Client, access_ttl: Duration) -> Result<Rotated, RefreshError> {
        let Opened { mut transaction, presented, mut family, row, user, now } = opened;
        let kek = self.keks.current();
        let mut salt = [0_u8; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(RefreshError::Randomness)?;
        let idle_end = now + delta(self.settings.of(client).idle);
        let expiry = whole_seconds(family.expires_at.min(idle_end));
        let successor = derive::successor(kek, &salt, &presented, family.family_id, expiry);
        let rotation = Rotation {
            family_id: family.family_id,
            spent: &row,
            salt: &salt,
            kek_id: kek.id(),
            successor_hash: &successor.hash(),
            successor_expires_at: successor.expires_at(),
        };
        store::rotate(&mut transaction, &rotation, now).await?;
        if access_ttl > family.access_ttl {
            family.access_ttl = access_ttl;
            store::update_access_ttl(&mut transaction, &family).await?;
        }
        transaction.commit().await?;
        Ok(Rotated { refresh_token: successor, family, user })
    }

    async fn answer_again(
        &self,
        mut opened: Opened,
        client: &Client,
        rotated_at: DateTime<Utc>,
    ) -> Result<Rotated, RefreshError> {
        let window = delta(self.settings.of(client).retry_window);
        if opened.now - rotated_at < window
            && let Some(salt) = &opened.row.salt
            && let Some((hash, expires_at)) = &opened.row.successor
            && store::is_unspent(&mut opened.transaction, hash, *expires_at).await?
        {
            let kek_id = opened.row.kek_id.as_deref().unwrap_or_default();
            let kek = self.keks.find(kek_id).ok_or_else(|| RefreshError::KeyGone(kek_id.to_owned()))?;
            let (expiry, family_id) = (whole_seconds(*expires_at), opened.family.family_id);
            let successor = derive::successor(kek, salt, &opened.presented, family_id, expiry);
            if successor.hash().as_slice() == hash.as_slice() {
                opened.transaction.commit().await?;
                tracing::info!("a spent refresh token was answered with its successor again");
                return Ok(Rotated { refresh_token: successor, family: opened.family, user: opened.user });
            }
            tracing::error!(family.id = %family_id, "the successor of a refresh token cannot be derived again");
        }
        Err(opened.revoke(rotated_at).await?)
    }
}

impl Opened {
    /// The transaction in which the family is locked.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.transaction
    }

    /// "The authorization server MUST bind refresh tokens issued to public clients": to the first key that is proven, where
    /// the login had none.
    async fn bind(&mut self, client: &Client, key: Option<&Thumbprint>) -> Result<(), DbError> {
        let Some(key) = key.filter(|_| client.kind == ClientKind::Public) else { return Ok(()) };
        if self.family.dpop_jkt.is_none() {
            store::bind(&mut self.transaction, self.family.family_id, key).await?;
            self.family.dpop_jkt = Some(key.clone());
        }
        Ok(())
    }

    /// Step 8.
    async fn revoke(self, rotated_at: DateTime<Utc>) -> Result<RefreshError, RefreshError> {
        let Self { mut transaction, family, now, .. } = self;
        revoke_family(&mut transaction, &family, "a refresh token was used twice", now).await?;
        transaction.commit().await?;
        let age = (now - rotated_at).num_seconds();
        tracing::warn!(family.id = %family.family_id, user.id = %family.sub, age, "refresh token reuse: family revoked");
        Ok(RefreshError::Reused { age })
    }

    /// What was granted at the login.
    #[must_use]
    pub const fn family(&self) -> &Family {
        &self.family
    }

    /// Whose it is.
    #[must_use]
    pub const fn user(&self) -> &User {
        &self.user
    }
}
