//! Beginning, finding and ending sessions.

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{Conn, DbError, Pool};
use uuid::Uuid;

use super::model::{Listed, Session, SessionSettings, SessionToken, Signed};
use super::store;
use crate::audit::{self, Event, Kind};
use crate::tokens::Tokens;
use crate::users::{User, Users};

/// A session's last use is written down no more often than this.
const USE_GRAIN: TimeDelta = TimeDelta::minutes(1);

/// Why no session began.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The user was disabled, deleted, given another password or logged out since the login was checked.
    #[error("the user or the session changed while the login was under way")]
    UserChanged,
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// The sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pool: Pool,
    settings: SessionSettings,
    users: Users,
    tokens: Tokens,
}

impl Sessions {
    /// A service over this pool.
    #[must_use]
    pub const fn new(pool: Pool, settings: SessionSettings, users: Users, tokens: Tokens) -> Self {
        Self { pool, settings, users, tokens }
    }

    /// Begins a session for a user who has just proved who they are. The session that the browser had before goes on
    /// under the new secret where it was the same user's (codes that were given out in it stay good), else it ends; its
    /// families stay, they are tokens of other applications.
    ///
    /// # Errors
    /// [`SessionError`]; then there is none.
    pub async fn begin(
        &self,
        user: &User,
        before: Option<&Session>,
        now: DateTime<Utc>,
    ) -> Result<(SessionToken, Session), SessionError> {
        let token = SessionToken::generate().map_err(SessionError::Randomness)?;
        let expires_at = now + delta(self.settings.absolute);
        let renewed = before.filter(|before| before.sub == user.sub);
        let session = Session {
            session_id: renewed.map_or_else(Uuid::new_v4, |before| before.session_id),
            sub: user.sub,
            user_version: user.token_version,
            auth_time: now,
            used_at: now,
            idle_expires_at: expires_at.min(now + delta(self.settings.idle)),
            expires_at,
        };
        let mut ended = None;
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        // Whoever disables the user waits for us and then kills this version, or was first and is seen here.
        let found = self.users.find_for_share(&mut transaction, user.sub).await?;
        if !found.is_some_and(|found| found.is_active() && found.token_version == user.token_version) {
            return Err(SessionError::UserChanged);
        }
        let hash = SessionToken::hash(token.text());
        if renewed.is_some() {
            if !store::renew(&mut transaction, &session, &hash).await? {
                return Err(SessionError::UserChanged);
            }
        } else {
            if let Some(before) = before {
                ended = store::end(&mut transaction, before.session_id, now).await?.map(|sub| (before.session_id, sub));
            }
            store::insert(&mut transaction, &session, &hash).await?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        if let Some((before, sub)) = ended {
            let another = format_args!("session {before}: another user signed in");
            audit::note(Event::ok(Kind::SessionEnded).subject(sub).detail(another));
        }
        let detail = format_args!("session {}", session.session_id);
        audit::note(Event::ok(Kind::SessionStarted).subject(session.sub).detail(detail));
        Ok((token, session))
    }

    /// The live session that a cookie means, and its user.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find(&self, cookie: &str, now: DateTime<Utc>) -> Result<Option<Signed>, DbError> {
        let mut conn = self.pool.acquire().await?;
        let Some(mut session) = store::find(&mut conn, &SessionToken::hash(cookie), now).await? else {
            return Ok(None);
        };
        let user = self.users.find_in(&mut conn, session.sub).await?;
        let is_same = |user: &User| user.is_active() && user.token_version == session.user_version;
        let Some(user) = user.filter(is_same) else { return Ok(None) };
        if now - session.used_at >= USE_GRAIN {
            session.used_at = now;
            session.idle_expires_at = session.expires_at.min(now + delta(self.settings.idle));
            store::touch(&mut conn, &session).await?;
        }
        Ok(Some(Signed { session, user }))
    }

    /// Whether a session is alive; until the caller's transaction ends nobody ends it.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn hold(&self, conn: &mut Conn, session_id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
        store::hold(conn, session_id, now).await
    }

    /// Ends a session and every family of refresh tokens that came from it. False where it had ended before.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer; then nothing has ended, or the answer was lost.
    pub async fn end(&self, session_id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
        let mut transaction = self.pool.begin().await?;
        let ended = store::end(&mut transaction, session_id, now).await?;
        self.tokens.revoke_session(&mut transaction, session_id, now).await?;
        transaction.commit().await?;
        if let Some(sub) = ended {
            let detail = format_args!("session {session_id}");
            audit::note(Event::ok(Kind::SessionEnded).subject(sub).detail(detail));
        }
        Ok(ended.is_some())
    }

    /// Ends every session of a user and every family of refresh tokens, those of other logins included. Tells how many
    /// sessions and families it were.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer; then nothing has ended, or the answer was lost.
    pub async fn end_all(&self, sub: Uuid, now: DateTime<Utc>) -> Result<(u64, u64), DbError> {
        let mut transaction = self.pool.begin().await?;
        let sessions = store::end_all(&mut transaction, sub, now).await?;
        let families = self.tokens.revoke_user(&mut transaction, sub, None, now).await?;
        transaction.commit().await?;
        let detail = format_args!("{sessions} sessions, {families} logins with refresh tokens");
        audit::note(Event::ok(Kind::SessionEnded).subject(sub).detail(detail));
        Ok((sessions, families))
    }

    /// The live sessions, of one user or of all, by their last use.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn list(&self, sub: Option<Uuid>, limit: u32, now: DateTime<Utc>) -> Result<Vec<Listed>, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list(&mut conn, sub, limit.into(), now).await
    }
}

fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(366))
}
