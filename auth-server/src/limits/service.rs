//! Charging logins and taking charges back.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::relay::Lent;
use shared::db::{DbError, Relay};
use uuid::Uuid;

use super::gate::{Gate, Pass};
use super::keys::{Keys, Place};
use super::model::{DEVICE, Kind, Limit, Origin, Settings, Throttled};
use super::store::{self, Asked, Said};
use crate::audit::{self, Event, Kind as EventKind, Outcome};
use crate::keys::KekRing;

/// How long an account knows a device.
pub(super) const KNOWN_FOR: TimeDelta = TimeDelta::days(90);
/// The most devices that an account knows.
const DEVICES: i64 = 20;
/// A known device is noted anew after this, not at every login.
pub(super) const NOTED_EVERY: TimeDelta = TimeDelta::days(1);

/// The counters. Clones share the pool and the gate.
#[derive(Clone, Debug)]
pub struct Limits {
    relay: Relay,
    pub(super) keys: Keys,
    pub(super) settings: Settings,
    pub(super) gate: Gate,
}

/// Who tries what from where.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The name that was typed, in the form in which spellings of one name are equal.
    pub name: &'a str,
    /// Whose name it is.
    pub sub: Option<Uuid>,
    /// The client that asks.
    pub client: &'a str,
    /// Where the attempt comes from.
    pub origin: &'a Origin,
}

/// An attempt that was charged and is under way. Dropped, it stays charged.
#[derive(Debug)]
#[must_use]
pub struct Charge {
    charged: Vec<(Place, DateTime<Utc>)>,
    at: DateTime<Utc>,
    /// Whether a success is to be noted.
    is_news: bool,
    _passes: Vec<Pass>,
}

impl Charge {
    /// One whose success is no news to anybody.
    pub(super) const fn of(charged: Vec<(Place, DateTime<Utc>)>, at: DateTime<Utc>, passes: Vec<Pass>) -> Self {
        Self { charged, at, is_news: false, _passes: passes }
    }
}

/// Why an attempt may not begin.
#[derive(Debug, thiserror::Error)]
pub enum ChargeError {
    /// Too many failures.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// Too many attempts of one origin are under way; the caller's patience ended.
    #[error("too many attempts of one origin are under way")]
    Busy,
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Limits {
    /// Counters in this database, found by subkeys of these keys.
    #[must_use]
    pub fn new(relay: impl Into<Relay>, keks: &KekRing, settings: Settings) -> Self {
        Self { relay: relay.into(), keys: Keys::new(keks), settings, gate: Gate::default() }
    }

    /// Charges a login that is about to begin. `patience` tells how long its caller still waits.
    ///
    /// # Errors
    /// [`ChargeError`]; nothing is charged then.
    pub async fn charge(
        &self,
        subject: &Subject<'_>,
        patience: impl Fn() -> Duration,
        now: DateTime<Utc>,
    ) -> Result<Charge, ChargeError> {
        let (name, origin) = (subject.name.as_bytes(), subject.origin);
        let address = origin.address().to_string();
        let together = self.keys.place(Kind::Device, &[b"gate", name, address.as_bytes()]);
        let most = DEVICE.burst().min(self.settings.account.burst());
        let mut passes = vec![self.gate.enter(together, most, patience()).await.ok_or(ChargeError::Busy)?];
        if let Some(charge) = self.charge_device(subject, now).await? {
            return Ok(Charge { _passes: passes, ..charge });
        }
        let asked = self.strangers(subject, &address);
        let at_address = self.keys.place(Kind::Address, &[address.as_bytes()]);
        let most = self.settings.address.burst();
        passes.push(self.gate.enter(at_address, most, patience()).await.ok_or(ChargeError::Busy)?);
        let mut conn = self.acquire().await?;
        let said = store::charge(&mut conn, &asked, now).await?;
        conn.hand_on();
        let charged = judge(&asked, &said, origin, now)?;
        Ok(Charge { charged, at: now, is_news: true, _passes: passes })
    }

    /// Takes a charge back: the attempt succeeded, or it never began.
    ///
    /// # Errors
    /// [`DbError`]; the attempt stays charged.
    pub async fn refund(&self, charge: &Charge) -> Result<(), DbError> {
        let mut conn = self.acquire().await?;
        store::refund(&mut conn, &charge.charged).await?;
        conn.hand_on();
        Ok(())
    }

    /// Takes the charge of a login back and lets the account know where it came from.
    ///
    /// # Errors
    /// [`DbError`]; the login is as good without.
    pub async fn succeed(&self, charge: &Charge, sub: Uuid, origin: &Origin) -> Result<(), DbError> {
        self.refund(charge).await?;
        if !charge.is_news {
            return Ok(());
        }
        let names = self.keys.devices(Some(sub), origin.address(), origin.device());
        // Under the current key: the address, and the browser before it where one said who it is.
        let current = 1 + usize::from(origin.device().is_some());
        let mut transaction = self.relay.begin().await?;
        if store::lock_account(&mut transaction, sub).await? {
            for name in names.iter().take(current) {
                store::upsert_device(&mut transaction, sub, name, charge.at).await?;
            }
            store::trim_devices(&mut transaction, sub, charge.at - KNOWN_FOR, DEVICES).await?;
        }
        transaction.commit().await
    }

    /// Charges the counter of a device that the account knows; `None` where there is none, or none any more.
    async fn charge_device(&self, subject: &Subject<'_>, now: DateTime<Utc>) -> Result<Option<Charge>, ChargeError> {
        let origin = subject.origin;
        let names = self.keys.devices(subject.sub, origin.address(), origin.device());
        // Nobody's devices are looked up as well: the answer is the same and takes as long.
        let sub = subject.sub.unwrap_or(Uuid::nil());
        let mut conn = self.acquire().await?;
        let known = store::list_devices(&mut conn, sub, &names, now - KNOWN_FOR).await?;
        for name in &names {
            let Some((_, seen_at)) = known.iter().find(|(known, _)| known == name) else { continue };
            let place = self.keys.place(Kind::Device, &[name]);
            let asked = [Asked { place, limit: DEVICE, is_hard: true }];
            match judge(&asked, &store::charge(&mut conn, &asked, now).await?, origin, now) {
                Ok(charged) => {
                    conn.hand_on();
                    // Noted anew once a day, and when a better name of the device is there than the one found.
                    let is_news = *seen_at < now - NOTED_EVERY || names.first() != Some(name);
                    return Ok(Some(Charge { charged, at: now, is_news, _passes: Vec::new() }));
                }
                Err(_) => store::delete_device(&mut conn, sub, name).await?,
            }
        }
        conn.hand_on();
        Ok(None)
    }

    /// The counters of a login from a device that the account does not know.
    fn strangers(&self, subject: &Subject<'_>, address: &str) -> [Asked; 4] {
        let Settings { account, address: of_address, prefix, client, .. } = self.settings;
        let network = subject.origin.prefix().to_string();
        [
            self.asked(Kind::Account, &[subject.name.as_bytes()], account),
            self.asked(Kind::Address, &[address.as_bytes()], of_address),
            self.asked(Kind::Prefix, &[network.as_bytes()], prefix),
            self.asked(Kind::Client, &[subject.client.as_bytes()], client),
        ]
    }

    pub(super) fn asked(&self, kind: Kind, parts: &[&[u8]], limit: Limit) -> Asked {
        Asked { place: self.keys.place(kind, parts), limit, is_hard: false }
    }

    /// A connection, for [`Limits::check_secret`] and whatever follows it.
    ///
    /// # Errors
    /// [`DbError`] when there is none.
    pub async fn acquire(&self) -> Result<Lent, DbError> {
        self.relay.acquire().await
    }
}

/// What was charged, or which of the counters refuses for the longest time.
pub(super) fn judge(
    asked: &[Asked],
    said: &[Said],
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<Vec<(Place, DateTime<Utc>)>, Throttled> {
    let of = |said: &Said| {
        asked.iter().map(|asked| asked.place).find(|place| (place.kind as i16, place.slot) == (said.kind, said.slot))
    };
    let answers: Vec<(Place, &Said)> = said.iter().filter_map(|said| Some((of(said)?, said))).collect();
    for (place, _) in answers.iter().filter(|(_, said)| said.is_news) {
        // Once in a quarter of an hour for each counter: a flood must not flood the log.
        tracing::warn!(
            limit.of = place.kind.name(),
            limit.slot = place.slot,
            limit.address = %origin.ip(),
            "{} are being slowed down",
            place.kind.what()
        );
        let event = Event::not_ok(EventKind::Throttle, Outcome::Throttled, "too many failures");
        audit::note(event.detail(format_args!("{} {}", place.kind.name(), place.slot)));
    }
    let refused = answers.iter().filter_map(|(place, said)| Some((said.refused_until?, place.kind)));
    match refused.max_by_key(|(until, _)| *until) {
        None => Ok(answers.iter().map(|(place, said)| (*place, said.free_at)).collect()),
        Some((until, kind)) => Err(throttled(until, kind, now)),
    }
}

pub(super) fn throttled(until: DateTime<Utc>, kind: Kind, now: DateTime<Utc>) -> Throttled {
    let milliseconds = u64::try_from((until - now).num_milliseconds()).unwrap_or(0);
    Throttled { retry_after: Duration::from_secs(milliseconds.div_ceil(1000).max(1)), limit: kind.name() }
}
