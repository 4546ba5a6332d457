//! Counting authorization requests that are pushed for clients which prove nothing.

use chrono::{DateTime, Utc};

use super::model::{Kind, Origin};
use super::service::{ChargeError, Limits, judge};
use super::store::{self, Asked};

impl Limits {
    /// Charges a request that is about to be kept, for good: it is forgiven with time.
    ///
    /// # Errors
    /// [`ChargeError::Throttled`] and [`ChargeError::Database`]; nothing is charged then.
    pub async fn charge_push(&self, origin: &Origin, now: DateTime<Utc>) -> Result<(), ChargeError> {
        let address = origin.address().to_string();
        let counted = self.asked(Kind::PushAddress, &[address.as_bytes()], self.settings.pushed_request);
        let asked = [Asked { is_hard: true, ..counted }];
        let said = store::charge(&mut *self.acquire().await?, &asked, now).await?;
        judge(&asked, &said, origin, now)?;
        Ok(())
    }
}
