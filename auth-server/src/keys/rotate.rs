//! A key's life: made and published, signing, retired, gone; or revoked.
//!
//! 1. A next key is published for at least the JWK Set's max-age before it signs, so that whoever keeps the set that
//!    long has it by then.
//! 2. It signs when every live resource server says that it holds it ([`Gate`]); the one before is retired.
//! 3. A retired key is published until the last token under it is dead, then its row goes.
//! 4. A revoked key is published no more from then on, and the feed tells resource servers that everything under it is
//!    dead. Where it was the one that signs, another takes over in the same transaction.
//!
//! All of it happens under one lock in transactions of its own, so that several replicas and a crash agree.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::db::{Conn, Pool};

use super::error::KeysError;
use super::kek::KekRing;
use super::manage::{self, Changed, NewKey};
use super::material::PrivateKey;
use super::model::{KeyState, StoredKey};
use super::{service, store};
use crate::audit::{self, Event, Kind};
use crate::resource_servers::{self, Report};
use crate::revocations::{self, LONGEST_ACCESS_TOKEN, MARGIN, Revoked};

/// When keys change.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How long a key signs until the next one takes over by itself; `None`: only when an operator says so.
    pub signs_for: Option<Duration>,
    /// How long a key is published before it signs.
    pub published_for: Duration,
}

/// A live resource server that lacks a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Laggard {
    /// Which.
    #[serde(flatten)]
    pub report: Report,
    /// Since when it could have had the key.
    pub since: DateTime<Utc>,
}

/// Whether a next key may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "gate", rename_all = "lowercase")]
pub enum Gate {
    /// Yes.
    Open,
    /// It has not been published for long enough.
    Young {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Somebody who is running does not hold it.
    Waiting {
        /// Who.
        laggards: Vec<Laggard>,
    },
}

impl Gate {
    /// By the key's age and by what resource servers report.
    pub(super) fn of(next: &StoredKey, reports: &[Report], schedule: Schedule, now: DateTime<Utc>) -> Self {
        let until = next.created_at + delta(schedule.published_for);
        if now < until {
            return Self::Young { until };
        }
        let lacks = |report: &&Report| report.is_live() && !report.holds(next.public.kid());
        let laggards: Vec<Laggard> = reports
            .iter()
            .filter(lacks)
            .map(|report| {
                let known_since = now - TimeDelta::seconds(report.known_for);
                Laggard { report: report.clone(), since: next.created_at.max(known_since) }
            })
            .collect();
        if laggards.is_empty() { Self::Open } else { Self::Waiting { laggards } }
    }
}

/// What a step of a rotation came to.
#[derive(Clone, Debug, Serialize)]
pub struct Rotation {
    /// The key that signs.
    pub active_kid: String,
    /// The key that is to sign next, if there is one, and what it waits for.
    pub next: Option<Waiting>,
    /// What changed with this step.
    pub changed: Option<Changed>,
    /// Rows of keys under which no token can live any more.
    pub gone: Vec<String>,
}

/// A key that is to sign.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// Its name.
    pub kid: String,
    /// What it waits for.
    #[serde(flatten)]
    pub gate: Gate,
}

/// One step of an operator's rotation: makes a next key where there is none; lets it sign when its gate is open, or at
/// once with `force`.
///
/// # Errors
/// [`KeysError`]; nothing changed then.
pub async fn rotate(
    pool: &Pool,
    keks: &KekRing,
    schedule: Schedule,
    force: bool,
    now: DateTime<Utc>,
) -> Result<Rotation, KeysError> {
    step(pool, keks, schedule, Due { make: true, sign: true, force }, now).await
}

/// One step of the scheduled rotation, and the end of keys whose tokens are dead. It never forces.
///
/// # Errors
/// [`KeysError`]; nothing changed then.
pub async fn keep_schedule(
    pool: &Pool,
    keks: &KekRing,
    schedule: Schedule,
    now: DateTime<Utc>,
) -> Result<Rotation, KeysError> {
    let age = async {
        let mut conn = pool.acquire().await?;
        let rows = store::list(&mut conn).await?;
        let active = rows.into_iter().find(|row| row.state == KeyState::Active).ok_or(KeysError::NoActiveKey)?;
        Ok::<_, KeysError>(active.activated_at.map_or(TimeDelta::zero(), |since| now - since))
    };
    let age = age.await?;
    let due = schedule.signs_for.map_or(Due::default(), |signs_for| Due {
        make: age >= delta(signs_for) - delta(schedule.published_for),
        sign: age >= delta(signs_for),
        force: false,
    });
    step(pool, keks, schedule, due, now).await
}

#[derive(Clone, Copy, Default)]
struct Due {
    make: bool,
    sign: bool,
    force: bool,
}

async fn step(
    pool: &Pool,
    keks: &KekRing,
    schedule: Schedule,
    due: Due,
    now: DateTime<Utc>,
) -> Result<Rotation, KeysError> {
    let mut tx = pool.begin().await?;
    store::lock(&mut tx).await?;
    let gone = store::delete_gone(&mut tx, now - LONGEST_ACCESS_TOKEN - MARGIN).await?;
    let mut rows = store::list(&mut tx).await?;
    let position = |rows: &[StoredKey], state| rows.iter().position(|row| row.state == state);
    let active = position(&rows, KeyState::Active).ok_or(KeysError::NoActiveKey)?;
    let active = rows.swap_remove(active);
    let mut changed = None;
    let next = match position(&rows, KeyState::Next) {
        Some(at) => Some(rows.swap_remove(at)),
        None if due.make => {
            let key = PrivateKey::generate(active.public.algorithm())?;
            let row = manage::add_in(&mut tx, keks, key, &NewKey::default(), now).await?;
            changed = Some(Changed { key: row.clone().into(), retired_kid: None });
            Some(row)
        }
        None => None,
    };
    let mut rotation = Rotation { active_kid: active.public.kid().to_owned(), next: None, changed, gone };
    if let Some(row) = next {
        let reports = resource_servers::reports(&mut tx).await?;
        let gate = Gate::of(&row, &reports, schedule, now);
        if due.sign && (due.force || gate == Gate::Open) {
            service::open(keks, &row)?;
            let changed = manage::activate_in(&mut tx, row, now).await?;
            rotation.active_kid.clone_from(&changed.key.kid);
            rotation.changed = Some(changed);
        } else {
            rotation.next = Some(Waiting { kid: row.public.kid().to_owned(), gate });
        }
    }
    tx.commit().await?;
    if let Some(Changed { key, .. }) = &rotation.changed {
        let kind = if key.state == KeyState::Active { Kind::KeyActivated } else { Kind::KeyCreated };
        audit::note(Event::ok(kind).detail(&key.kid));
    }
    Ok(rotation)
}

/// What became of a revoked key.
#[derive(Clone, Debug, Serialize)]
pub struct RevokedKey {
    /// The key under which everything is dead.
    pub revoked_kid: String,
    /// The key that took over, where it was the one that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Changed>,
}

/// The emergency: a key is published no more and everything that it signed is dead. Where it was the one that signs, the
/// next one takes over, published long enough or not, else a new one that is made for it.
///
/// # Errors
/// [`KeysError::NotFound`], and [`KeysError`]; nothing changed then.
pub async fn revoke(pool: &Pool, keks: &KekRing, kid: &str, now: DateTime<Utc>) -> Result<RevokedKey, KeysError> {
    let mut tx = pool.begin().await?;
    store::lock(&mut tx).await?;
    let row = store::find(&mut tx, kid).await?.ok_or_else(|| KeysError::NotFound(kid.to_owned()))?;
    store::revoke(&mut tx, kid, now).await?;
    let active = match row.state {
        KeyState::Active => Some(succeed(&mut tx, keks, &row, now).await?),
        KeyState::Next | KeyState::Retired | KeyState::Revoked => None,
    };
    // The feed's entry is the last statement: see the revocations' room.
    revocations::append(&mut tx, &[Revoked::Key { kid: kid.to_owned() }], now).await?;
    tx.commit().await?;
    audit::note(Event::ok(Kind::KeyRevoked).detail(kid));
    Ok(RevokedKey { revoked_kid: kid.to_owned(), active })
}

async fn succeed(tx: &mut Conn, keks: &KekRing, revoked: &StoredKey, now: DateTime<Utc>) -> Result<Changed, KeysError> {
    let next = store::list(tx).await?.into_iter().find(|row| row.state == KeyState::Next);
    let next = match next {
        Some(next) => next,
        None => {
            let key = PrivateKey::generate(revoked.public.algorithm())?;
            let made = manage::add_in(tx, keks, key, &NewKey::default(), now).await?;
            if made.state == KeyState::Active {
                return Ok(Changed { key: made.into(), retired_kid: None });
            }
            made
        }
    };
    service::open(keks, &next)?;
    manage::activate_in(tx, next, now).await
}

/// Takes a next key back that has never signed.
///
/// # Errors
/// [`KeysError::NotFound`]; [`KeysError::InUse`] for a key that signs or has signed.
pub async fn retire(pool: &Pool, kid: &str) -> Result<(), KeysError> {
    let mut tx = pool.begin().await?;
    store::lock(&mut tx).await?;
    let row = store::find(&mut tx, kid).await?.ok_or_else(|| KeysError::NotFound(kid.to_owned()))?;
    if row.state != KeyState::Next {
        return Err(KeysError::InUse { kid: kid.to_owned(), state: row.state.as_str() });
    }
    store::delete(&mut tx, kid).await?;
    tx.commit().await?;
    audit::note(Event::ok(Kind::KeyRetired).detail(kid));
    Ok(())
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
