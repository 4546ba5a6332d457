//! Starting a family, and ending it. (Refreshing stands in `refresh`.)

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{Conn, DbError, Relay};
use uuid::Uuid;

use super::model::{Family, NewFamily, RefreshSettings, RefreshToken};
use super::store;
use crate::clients::{ClientId, ClientKind};
use crate::keys::KekRing;
use crate::revocations::{self, Revoked};
use crate::users::Users;

/// The families and their refresh tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    pub(super) relay: Relay,
    pub(super) keks: KekRing,
    pub(super) users: Users,
    pub(super) settings: RefreshSettings,
}

/// A new family and its first token.
pub struct Started {
    /// The `sid` of its tokens.
    pub family_id: Uuid,
    /// The first refresh token.
    pub refresh_token: RefreshToken,
}

/// Why no family was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The user was disabled, deleted or given another password since the login was checked.
    #[error("the user changed while the login was under way")]
    UserChanged,
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Tokens {
    /// A service over this pool.
    #[must_use]
    pub fn new(relay: impl Into<Relay>, keks: KekRing, users: Users, settings: RefreshSettings) -> Self {
        Self { relay: relay.into(), keks, users, settings }
    }

    /// Starts a family by itself: one statement is its own transaction, and saves the round trips of another.
    ///
    /// # Errors
    /// [`StartError`]; then there is none.
    pub async fn start(&self, new: &NewFamily<'_>, now: DateTime<Utc>) -> Result<Started, StartError> {
        let mut conn = self.relay.acquire().await?;
        let started = self.start_in(&mut conn, new, now).await?;
        conn.hand_on();
        Ok(started)
    }

    /// Starts a family in the caller's transaction: with a code that is consumed in the same one, for example.
    ///
    /// # Errors
    /// [`StartError`]; roll back then.
    pub async fn start_in(
        &self,
        conn: &mut Conn,
        new: &NewFamily<'_>,
        now: DateTime<Utc>,
    ) -> Result<Started, StartError> {
        let settings = self.settings.of(new.client);
        let family = Family {
            family_id: Uuid::new_v4(),
            sub: new.user.sub,
            client_id: new.client.client_id.clone(),
            scope: new.scope.clone(),
            audience: new.audience.to_owned(),
            user_version: new.user.token_version,
            client_version: new.client.client_version,
            session_id: new.session_id,
            auth_time: new.auth_time,
            access_ttl: new.access_ttl,
            created_at: now,
            expires_at: now + delta(settings.absolute),
            // A confidential client's are bound to the client, which authenticates (RFC 9449 section 5).
            dpop_jkt: new.key.filter(|_| new.client.kind == ClientKind::Public).cloned(),
            revoked_at: None,
        };
        let expires_at = family.expires_at.min(now + delta(settings.idle));
        let refresh_token = RefreshToken::generate(expires_at).map_err(StartError::Randomness)?;
        if !store::insert_family(conn, &family, &refresh_token.hash(), refresh_token.expires_at()).await? {
            return Err(StartError::UserChanged);
        }
        Ok(Started { family_id: family.family_id, refresh_token })
    }

    /// The family of a refresh token that is the one to use next; `None` for any other.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find_alive(
        &self,
        conn: &mut Conn,
        token: &RefreshToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Family>, DbError> {
        let Some(row) = store::find_token(conn, &token.hash(), token.expires_at()).await? else { return Ok(None) };
        if row.rotated_at.is_some() || row.expires_at <= now {
            return Ok(None);
        }
        let family = store::find_family(conn, row.family_id).await?;
        Ok(family.filter(|family| family.revoked_at.is_none() && family.expires_at > now))
    }

    /// Revokes the whole family of a refresh token, spent or not, if it is this client's (RFC 7009 section 2.1). False
    /// where nothing was: an unknown token, another client's, a family that was revoked before.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer; then nothing was revoked, or the answer was lost.
    pub async fn revoke(
        &self,
        token: &RefreshToken,
        client_id: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let mut transaction = self.relay.begin().await?;
        let found = store::find_family_id(&mut transaction, &token.hash(), token.expires_at()).await?;
        let Some(family_id) = found else { return Ok(false) };
        let family = store::lock_family(&mut transaction, family_id).await?;
        let Some(family) = family.filter(|family| family.client_id == *client_id) else { return Ok(false) };
        crate::audit::note_subject(family.sub);
        let is_revoked = revoke_family(&mut transaction, &family, "revoked by the client", now).await?;
        transaction.commit().await?;
        Ok(is_revoked)
    }

    /// Ends one family: the last statements of a transaction. False where there is none, or it had ended before.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer; roll back then.
    pub async fn revoke_family(
        &self,
        conn: &mut Conn,
        family_id: Uuid,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let ended = store::revoke_family(conn, family_id, reason, now).await?;
        append(conn, ended.as_slice(), now).await?;
        Ok(ended.is_some())
    }

    /// Ends a user's families, all of them or those of some clients, and tells how many: the last statements of a
    /// transaction.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer; roll back then.
    pub async fn revoke_user(
        &self,
        conn: &mut Conn,
        sub: Uuid,
        clients: Option<&[ClientId]>,
        now: DateTime<Utc>,
    ) -> Result<u64, DbError> {
        let reason = if clients.is_some() { "the consent was withdrawn" } else { "an operator ended all logins" };
        let ended = store::revoke_user(conn, sub, clients, reason, now).await?;
        append(conn, &ended, now).await?;
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }

    /// Ends every family that came from one browser session.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer; roll back then.
    pub async fn revoke_session(&self, conn: &mut Conn, session_id: Uuid, now: DateTime<Utc>) -> Result<(), DbError> {
        let ended = store::revoke_session(conn, session_id, "the browser session ended", now).await?;
        append(conn, &ended, now).await
    }
}

/// Ends every login there is, and tells the resource servers; the last statements of a transaction. Returns how many.
///
/// # Errors
/// [`DbError`] when there is no answer; roll back then.
pub async fn revoke_all(conn: &mut Conn, reason: &str, now: DateTime<Utc>) -> Result<usize, DbError> {
    let ended = store::revoke_all(conn, reason, now).await?;
    append(conn, &ended, now).await?;
    Ok(ended.len())
}

/// Revokes one family, whose row is locked, and tells the resource servers; the last statements of a transaction.
pub(super) async fn revoke_family(
    conn: &mut Conn,
    family: &Family,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let ended = store::revoke_family(conn, family.family_id, reason, now).await?;
    append(conn, ended.as_slice(), now).await?;
    Ok(ended.is_some())
}

async fn append(conn: &mut Conn, ended: &[store::Ended], now: DateTime<Utc>) -> Result<(), DbError> {
    let entries: Vec<Revoked> = ended
        .iter()
        .map(|ended| Revoked::Session { sid: ended.family_id, access_ttl: TimeDelta::seconds(ended.access_ttl.into()) })
        .collect();
    revocations::append(conn, &entries, now).await
}

pub(super) fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
