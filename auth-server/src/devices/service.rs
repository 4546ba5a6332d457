//! The steps that the room's header tells.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{DbError, Pool};
use shared::token::dpop::Thumbprint;
use uuid::Uuid;

use super::error::{DecideError, DeviceError, FindError, StartError};
use super::model::{Approval, Asking, DeviceCode, DeviceSettings, Polled, Started, Waiting};
use super::store::{self, NewDevice};
use super::user_code::UserCode;
use crate::audit::{self, Event, Kind};
use crate::clients::{Client, ClientId, GrantType};
use crate::keys::KekRing;
use crate::limits::{Limits, Origin};
use crate::sessions::Sessions;
use crate::tokens::{NewFamily, RefreshToken, Tokens};
use crate::users::{User, Users};

/// The longest time that a device may wait; a user code is looked for no further.
pub(crate) const LONGEST: TimeDelta = TimeDelta::hours(1);
/// Two devices that wait with one code are as good as impossible; this often another one is tried.
const TRIES: usize = 4;
/// What a network may make of an interval, in seconds.
const GRACE: f64 = 0.5;

/// The devices. Cheap to clone.
#[derive(Clone)]
pub struct Devices {
    /// For the rows.
    pub pool: Pool,
    /// Hash user codes.
    pub keks: KekRing,
    /// How long devices wait.
    pub settings: DeviceSettings,
    /// Bound starts and guesses.
    pub limits: Limits,
    /// Have to be alive when a device gets its tokens.
    pub sessions: Sessions,
    /// Begin with a device's first tokens.
    pub tokens: Tokens,
    /// Likewise unchanged.
    pub users: Users,
}

/// A device code that a person has allowed, and that was not spent when it was looked at.
#[derive(Clone, Copy)]
pub struct Redemption<'a> {
    /// The code.
    pub code: &'a DeviceCode,
    /// What was allowed.
    pub approval: &'a Approval,
    /// What the tokens are for.
    pub audience: &'a str,
    /// Whose it is.
    pub client: &'a Client,
    /// The life of the access token that will be given out.
    pub access_ttl: Duration,
    /// The key that it will be bound to.
    pub key: Option<&'a Thumbprint>,
}

/// What a device code gave.
pub struct Given {
    /// Who allowed it.
    pub user: User,
    /// The `sid` of the tokens.
    pub sid: Uuid,
    /// The first refresh token, where the client may refresh.
    pub refresh_token: Option<RefreshToken>,
}

impl Devices {
    /// Step 1: a client's device starts to wait.
    ///
    /// # Errors
    /// [`StartError`]; then nothing waits.
    pub async fn start(&self, asking: &Asking<'_>, origin: &Origin, now: DateTime<Utc>) -> Result<Started, StartError> {
        self.limits.charge_flow(asking.client_id.as_str(), origin, now).await?;
        let DeviceSettings { ttl, interval } = self.settings;
        let device_code = DeviceCode::generate(now + delta(ttl)).map_err(StartError::Randomness)?;
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let mut user_code = UserCode::generate().map_err(StartError::Randomness)?;
        for _ in 0..TRIES {
            let taken = store::list_by_user_code(&mut conn, &user_code.hashes(&self.keks), now, now + LONGEST).await?;
            if taken.is_empty() {
                break;
            }
            user_code = UserCode::generate().map_err(StartError::Randomness)?;
        }
        let new = NewDevice {
            code: &device_code,
            user_code_hash: &user_code.hash(&self.keks),
            asking,
            interval: i32::try_from(interval.as_secs()).unwrap_or(5),
        };
        store::insert(&mut conn, &new, now).await?;
        audit::note(Event::ok(Kind::DeviceStarted).client(asking.client_id));
        Ok(Started { device_code, user_code, ttl, interval })
    }

    /// Step 2: a device asks. The poll is noted before it is judged; another client's is not.
    ///
    /// # Errors
    /// [`DeviceError::Malformed`], [`DeviceError::Unknown`], [`DeviceError::Database`].
    pub async fn poll(
        &self,
        text: &str,
        client_id: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<(DeviceCode, Polled), DeviceError> {
        let code = DeviceCode::parse(text).map_err(|_| DeviceError::Malformed)?;
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let polled = store::poll(&mut conn, &code, client_id, GRACE, now).await?.ok_or(DeviceError::Unknown)?;
        Ok((code, polled))
    }

    /// Step 3: a person has typed a code. It is charged as a wrong one before anything is looked up, and the charge is
    /// taken back where a device is found.
    ///
    /// # Errors
    /// [`FindError`].
    pub async fn find(&self, text: &str, sub: Uuid, origin: &Origin, now: DateTime<Utc>) -> Result<Waiting, FindError> {
        let charge = self.limits.charge_user_code(sub, origin, now).await?;
        let Ok(user_code) = text.parse::<UserCode>() else { return Err(FindError::Unknown) };
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let found = store::list_by_user_code(&mut conn, &user_code.hashes(&self.keks), now, now + LONGEST).await?;
        drop(conn);
        let mut found = found.into_iter();
        // Two would be somebody else's as likely as theirs.
        let (Some(one), None) = (found.next(), found.next()) else { return Err(FindError::Unknown) };
        if let Err(error) = self.limits.refund(&charge).await {
            tracing::warn!(%error, "a good user code stays counted as a wrong one");
        }
        if one.is_decided {
            return Err(FindError::Decided);
        }
        Ok(Waiting { user_code, expires_at: one.expires_at, client_id: one.client_id, scope: one.scope })
    }

    /// Step 4: a person allows a device, or denies it (`None`), once.
    ///
    /// # Errors
    /// [`DecideError`]; then it is as it was.
    pub async fn decide(
        &self,
        waiting: &Waiting,
        approval: Option<&Approval>,
        now: DateTime<Utc>,
    ) -> Result<(), DecideError> {
        let hashes = waiting.user_code.hashes(&self.keks);
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        if !store::decide(&mut conn, &hashes, waiting.expires_at, approval, now).await? {
            return Err(DecideError::Late);
        }
        let kind = if approval.is_some() { Kind::DeviceApproved } else { Kind::DeviceDenied };
        audit::note(Event::ok(kind).client(&waiting.client_id));
        Ok(())
    }

    /// Step 5: the device gets what it was allowed.
    ///
    /// # Errors
    /// [`DeviceError`]; then it is as it was.
    pub async fn redeem(&self, redemption: &Redemption<'_>, now: DateTime<Utc>) -> Result<Given, DeviceError> {
        let Redemption { code, approval, audience, client, access_ttl, key } = *redemption;
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let consumed = store::consume(&mut transaction, code, &client.client_id, now).await?;
        if consumed != Some(approval.sub) {
            return Err(DeviceError::Spent);
        }
        if !self.sessions.hold(&mut transaction, approval.session_id, now).await? {
            return Err(DeviceError::SessionEnded);
        }
        let user = self.users.find_for_share(&mut transaction, approval.sub).await?;
        let is_same = |user: &User| user.is_active() && user.token_version == approval.user_version;
        let user = user.filter(is_same).ok_or(DeviceError::UserChanged)?;
        audit::note_subject(user.sub);
        let (sid, refresh_token) = if client.allows(GrantType::RefreshToken) {
            let family = NewFamily {
                user: &user,
                client,
                scope: &approval.scope,
                audience,
                // The device is not the browser: signing out there does not end it.
                session_id: None,
                auth_time: approval.auth_time,
                access_ttl,
                key,
            };
            let started = self.tokens.start_in(&mut transaction, &family, now).await?;
            (started.family_id, Some(started.refresh_token))
        } else {
            (Uuid::new_v4(), None)
        };
        transaction.commit().await.map_err(DbError::from)?;
        Ok(Given { user, sid, refresh_token })
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(LONGEST)
}
