//! Counting devices that start to sign in, and user codes that people type wrong.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::keys::Place;
use super::model::{Kind, Origin, STRANGERS};
use super::service::{Charge, ChargeError, Limits, judge};
use super::store::{self, Asked};

/// How long a person's code waits for others from the same address.
const PATIENCE: Duration = Duration::from_secs(2);

impl Limits {
    /// Charges a device that is about to start, for good: what it holds is forgiven with time.
    ///
    /// # Errors
    /// [`ChargeError::Throttled`] and [`ChargeError::Database`]; nothing is charged then.
    pub async fn charge_flow(&self, client_id: &str, origin: &Origin, now: DateTime<Utc>) -> Result<(), ChargeError> {
        let address = origin.address().to_string();
        let asked = [
            self.asked(Kind::DeviceAddress, &[address.as_bytes()], self.settings.device_address),
            self.asked(Kind::DeviceClient, &[client_id.as_bytes()], self.settings.device_client),
        ];
        let asked = asked.map(|asked| Asked { is_hard: true, ..asked });
        self.charge_all(&asked, origin, now).await?;
        Ok(())
    }

    /// Charges a user code that is about to be looked up; [`Limits::refund`] where a device is found.
    ///
    /// # Errors
    /// [`ChargeError`]; nothing is charged then.
    pub async fn charge_user_code(
        &self,
        sub: Uuid,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<Charge, ChargeError> {
        let limit = self.settings.user_code;
        let (address, network) = (origin.address().to_string(), origin.prefix().to_string());
        let asked = [
            self.asked(Kind::UserCodeAccount, &[sub.as_bytes()], limit),
            self.asked(Kind::UserCodeAddress, &[address.as_bytes()], limit),
            self.asked(Kind::UserCodePrefix, &[network.as_bytes()], limit.times(STRANGERS)),
        ];
        // Right codes of one office at once are not wrong ones.
        let together = self.keys.place(Kind::UserCodeAddress, &[address.as_bytes()]);
        let pass = self.gate.enter(together, limit.burst(), PATIENCE).await.ok_or(ChargeError::Busy)?;
        Ok(Charge::of(self.charge_all(&asked, origin, now).await?, now, vec![pass]))
    }

    async fn charge_all(
        &self,
        asked: &[Asked],
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<Vec<(Place, DateTime<Utc>)>, ChargeError> {
        let said = store::charge(&mut *self.acquire().await?, asked, now).await?;
        Ok(judge(asked, &said, origin, now)?)
    }
}
