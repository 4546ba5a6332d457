//! Users log in by name and password.

use shared::db::DbError;
use uuid::Uuid;

use super::Logins;
use crate::audit::{self, Event, Kind, Outcome};
use crate::clients::ClientId;
use crate::limits::{Charge, ChargeError, Origin, Subject, Throttled};
use crate::passwords::{Caller, LaneError, Plain};
use crate::users::{self, Email, User};

/// Somebody who wants to log in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name, exactly as it was typed.
    pub username: &'a str,
    /// The password.
    pub password: &'a Plain,
    /// The client that asks.
    pub client: &'a ClientId,
    /// Where the attempt comes from.
    pub origin: &'a Origin,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// Too many failures; nothing was hashed.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The user was not authenticated.
    #[error(transparent)]
    User(#[from] users::AuthenticateError),
}

impl From<DbError> for AuthenticateError {
    fn from(error: DbError) -> Self {
        Self::User(error.into())
    }
}

impl Logins {
    /// Logs a user in. Only where the name came from tells who may be slowed down: the name itself, whether somebody
    /// has it or not, the address and the client; never the password.
    ///
    /// # Errors
    /// [`AuthenticateError`]; a refusal is the same for every reason.
    pub async fn authenticate(&self, attempt: &Attempt<'_>) -> Result<User, AuthenticateError> {
        let caller = Caller::at(attempt.origin.address());
        let _pass = self.users.lane().enter(&caller).await.map_err(users::AuthenticateError::from)?;
        let candidate = self.users.find_candidate(attempt.username).await?;
        let charge = self.charge(attempt, candidate.sub(), &caller).await?;
        match self.users.authenticate_candidate(candidate, attempt.password, &caller).await {
            Ok(user) => {
                if let Err(error) = self.limits.succeed(&charge, user.sub, attempt.origin).await {
                    tracing::warn!(%error, "a good login stays counted as a failure");
                }
                audit::note(Event::ok(Kind::Login));
                Ok(user)
            }
            Err(users::AuthenticateError::Lane(LaneError::Busy { retry_after })) => {
                if let Err(error) = self.limits.refund(&charge).await {
                    tracing::warn!(%error, "a login that was not begun stays counted as a failure");
                }
                Err(users::AuthenticateError::Lane(LaneError::Busy { retry_after }).into())
            }
            Err(error) => {
                if matches!(error, users::AuthenticateError::Refused(_)) {
                    audit::note(Event::not_ok(Kind::Login, Outcome::Refused, &error));
                }
                Err(error.into())
            }
        }
    }

    async fn charge(
        &self,
        attempt: &Attempt<'_>,
        sub: Option<Uuid>,
        caller: &Caller,
    ) -> Result<Charge, AuthenticateError> {
        // Spellings of one address are one name; what is no address counts as it is.
        let email = attempt.username.parse::<Email>().ok();
        let name = email.as_ref().map_or(attempt.username, Email::canonical);
        let subject = Subject { name, sub, client: attempt.client.as_str(), origin: attempt.origin };
        let lane = self.users.lane();
        let charged = self.limits.charge(&subject, || caller.remaining(lane.patience()), self.clock.now()).await;
        charged.map_err(|error| match error {
            ChargeError::Throttled(throttled) => throttled.into(),
            ChargeError::Busy => users::AuthenticateError::Lane(lane.busy()).into(),
            ChargeError::Database(error) => error.into(),
        })
    }
}
