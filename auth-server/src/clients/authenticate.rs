//! Who asks?

use secrecy::ExposeSecret as _;
use shared::db::{Conn, DbError};

use super::authentication::AuthMethod;
use super::error::AuthenticateError;
use super::model::Client;
use super::secret::{Presented, SecretHash};
use super::service::Clients;
use super::store;

impl Clients {
    /// Finds the client and checks its secret in constant time (RFC 6749 section 3.2.1). One query: every grant pays it.
    ///
    /// # Errors
    /// [`AuthenticateError`] with the reason for the log.
    pub async fn authenticate(&self, presented: &Presented) -> Result<Client, AuthenticateError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        self.authenticate_in(&mut conn, presented).await
    }

    /// The same on the caller's connection.
    ///
    /// # Errors
    /// As [`Clients::authenticate`].
    pub async fn authenticate_in(&self, conn: &mut Conn, presented: &Presented) -> Result<Client, AuthenticateError> {
        let found = store::find_with_secrets(conn, &presented.client_id, self.clock.now()).await?;
        let (client, hashes) = found.ok_or(AuthenticateError::Unknown)?;
        // Not before it is known to be a client's: people send their address or worse by mistake.
        tracing::Span::current().record("client.id", tracing::field::display(&client.client_id));
        crate::audit::note_client(&client.client_id);
        match (client.authentication.method, &presented.secret) {
            (AuthMethod::None, None) => {}
            (AuthMethod::None, Some(_)) => return Err(AuthenticateError::SecretUnexpected),
            (AuthMethod::PrivateKeyJwt, _) => return Err(AuthenticateError::AssertionMissing),
            (AuthMethod::Secret, None) => return Err(AuthenticateError::SecretMissing),
            (AuthMethod::Secret, Some(secret)) => {
                if !SecretHash::of(secret.expose_secret()).is_among(&hashes) {
                    return Err(AuthenticateError::SecretWrong);
                }
            }
        }
        if client.disabled_at.is_some() { Err(AuthenticateError::Disabled) } else { Ok(client) }
    }
}
