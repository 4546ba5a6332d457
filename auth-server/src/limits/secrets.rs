//! Counting wrong client secrets.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

use super::keys::Place;
use super::model::{Kind, Origin, STRANGERS, Throttled};
use super::service::{ChargeError, KNOWN_FOR, Limits, NOTED_EVERY, judge, throttled};
use super::store::{self, Asked};

/// A secret that may be checked.
#[derive(Debug)]
#[must_use]
pub struct SecretCheck {
    asked: Vec<Asked>,
    known: Place,
    /// Whether a success is to be noted.
    is_news: bool,
    at: DateTime<Utc>,
    origin: Origin,
}

impl Limits {
    /// Asks whether the secret of `client_id`, known or unknown, may be checked. Charges nothing.
    ///
    /// # Errors
    /// [`ChargeError::Throttled`] and [`ChargeError::Database`].
    pub async fn check_secret(
        &self,
        conn: &mut Conn,
        client_id: &str,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<SecretCheck, ChargeError> {
        let (client, address) = (client_id.as_bytes(), origin.address().to_string());
        let limit = self.settings.client_secret;
        let here = self.asked(Kind::Secret, &[client, address.as_bytes()], limit);
        let anywhere = self.asked(Kind::SecretAnywhere, &[client], limit.times(STRANGERS));
        let known = self.keys.place(Kind::SecretKnown, &[client, address.as_bytes()]);
        let standing = store::find_secret(conn, here.place, anywhere.place, known).await?;
        let is_known = standing.known_at.is_some_and(|known_at| known_at > now - KNOWN_FOR);
        if let Some(free_at) = standing.here_free_at.filter(|free_at| *free_at > now) {
            return Err(throttled(free_at, here.place.kind, now).into());
        }
        if let Some(free_at) = standing.anywhere_free_at.filter(|free_at| *free_at > now && !is_known) {
            return Err(throttled(free_at, anywhere.place.kind, now).into());
        }
        let asked = if is_known { vec![here] } else { vec![here, anywhere] };
        let is_news = standing.known_at.is_none_or(|known_at| known_at < now - NOTED_EVERY);
        Ok(SecretCheck { asked, known, is_news, at: now, origin: *origin })
    }

    /// Charges a wrong secret.
    ///
    /// # Errors
    /// [`ChargeError::Throttled`] where others, at the same time, have been charged for all that there is: this one is
    /// refused like whoever comes later.
    pub async fn secret_failed(&self, check: &SecretCheck) -> Result<(), ChargeError> {
        let said = store::charge(&mut *self.acquire().await?, &check.asked, check.at).await?;
        judge(&check.asked, &said, &check.origin, check.at).map(drop).map_err(|throttled: Throttled| throttled.into())
    }

    /// Notes, once a day, that the client authenticates at this address.
    ///
    /// # Errors
    /// [`DbError`]; the authentication is as good without.
    pub async fn secret_matched(&self, check: &SecretCheck) -> Result<(), DbError> {
        if check.is_news {
            store::note(&mut *self.acquire().await?, check.known, check.at).await?;
        }
        Ok(())
    }
}
