//! Clients authenticate by their secrets.

use std::sync::Arc;

use shared::db::DbError;
use shared::db::relay::Lent;

use super::Logins;
use crate::clients::{self, AssertionError, Client, Presented, Proof};
use crate::limits::{ChargeError, Origin, Throttled};

/// Why a client was not authenticated.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthenticateError {
    /// Too many wrong secrets; the one that came was not looked at.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The client was not authenticated.
    #[error(transparent)]
    Client(#[from] clients::AuthenticateError),
}

impl From<ChargeError> for ClientAuthenticateError {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Throttled(throttled) => throttled.into(),
            ChargeError::Database(error) => Self::Client(error.into()),
            // Nobody waits for a secret's check.
            ChargeError::Busy => Self::Client(DbError::from(sqlx::Error::PoolTimedOut).into()),
        }
    }
}

impl Logins {
    /// Authenticates a client (RFC 6749 section 3.2.1), as [`clients::Clients::authenticate`] does, and counts wrong
    /// secrets and assertions alike. Ids without a secret are not counted: they are no secrets.
    ///
    /// # Errors
    /// [`ClientAuthenticateError`].
    pub async fn authenticate_client(
        &self,
        presented: &Presented,
        origin: &Origin,
    ) -> Result<Arc<Client>, ClientAuthenticateError> {
        if matches!(presented.proof, Proof::None) {
            return Ok(Box::pin(self.clients.authenticate(presented)).await?);
        }
        // One connection for both questions: to give one back costs a round trip.
        let mut conn = self.limits.acquire().await.map_err(clients::AuthenticateError::from)?;
        let client_id = presented.client_id.as_str();
        let check = self.limits.check_secret(&mut conn, client_id, origin, self.clock.now()).await?;
        let (authenticated, conn) = match &presented.proof {
            Proof::None | Proof::Secret(_) => {
                let authenticated = self.clients.authenticate_in(&mut conn, presented).await;
                (authenticated, Some(conn))
            }
            // Its keys may have to be fetched: nobody else's connection waits for that.
            Proof::Assertion(_) => {
                conn.hand_on();
                // Boxed, like whatever is seldom: every request would carry the room for it.
                (Box::pin(self.clients.authenticate(presented)).await, None)
            }
        };
        match authenticated {
            Ok(client) => {
                conn.into_iter().for_each(Lent::hand_on);
                if let Err(error) = self.limits.secret_matched(&check).await {
                    tracing::warn!(%error, "a client's address was not noted");
                }
                Ok(client)
            }
            Err(clients::AuthenticateError::Internal(error)) => Err(clients::AuthenticateError::Internal(error).into()),
            // The client's own keys did not answer: nobody guessed.
            Err(reason @ clients::AuthenticateError::Assertion(AssertionError::KeysUnread(_))) => Err(reason.into()),
            Err(reason) => {
                drop(conn);
                Box::pin(self.limits.secret_failed(&check)).await?;
                Err(reason.into())
            }
        }
    }
}
