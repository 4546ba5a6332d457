//! Who asks?

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use shared::db::{Conn, DbError};
use shared::token::keys::KeySet;

use super::assertion::{Assertion, AssertionError};
use super::authentication::AuthMethod;
use super::error::AuthenticateError;
use super::model::Client;
use super::secret::{Presented, Proof, SecretHash};
use super::service::Clients;
use super::store;

impl Clients {
    /// Finds the client and checks its secret in constant time (RFC 6749 section 3.2.1), in one query: every grant pays
    /// it. Or checks what it signed (RFC 7523 section 3), and remembers that.
    /// What was read before is not read again while it is as it was.
    ///
    /// # Errors
    /// [`AuthenticateError`] with the reason for the log.
    pub async fn authenticate(&self, presented: &Presented) -> Result<Arc<Client>, AuthenticateError> {
        if let Proof::Assertion(assertion) = &presented.proof {
            return self.authenticate_assertion(presented, assertion).await;
        }
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        self.authenticate_in(&mut conn, presented).await
    }

    /// The same on the caller's connection, by a secret or by nothing: an assertion is refused, because its keys may have
    /// to be fetched, and no connection waits for that.
    ///
    /// # Errors
    /// As [`Clients::authenticate`].
    pub async fn authenticate_in(
        &self,
        conn: &mut Conn,
        presented: &Presented,
    ) -> Result<Arc<Client>, AuthenticateError> {
        let known = self.known.find(conn, &presented.client_id).await?.ok_or(AuthenticateError::Unknown)?;
        let client = &known.client;
        note(client);
        match (client.authentication.method, &presented.proof) {
            (AuthMethod::None, Proof::None) => {}
            (AuthMethod::None, Proof::Secret(_)) => return Err(AuthenticateError::SecretUnexpected),
            (AuthMethod::None | AuthMethod::Secret, Proof::Assertion(_)) => {
                return Err(AuthenticateError::AssertionUnexpected);
            }
            (AuthMethod::PrivateKeyJwt, _) => return Err(AuthenticateError::AssertionMissing),
            (AuthMethod::Secret, Proof::None) => return Err(AuthenticateError::SecretMissing),
            (AuthMethod::Secret, Proof::Secret(secret)) => {
                if !SecretHash::of(secret.expose_secret()).is_among(known.secrets_at(self.clock.now())) {
                    return Err(AuthenticateError::SecretWrong);
                }
            }
        }
        enabled(client)
    }

    async fn authenticate_assertion(
        &self,
        presented: &Presented,
        assertion: &Assertion,
    ) -> Result<Arc<Client>, AuthenticateError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let known = self.known.find(&mut conn, &presented.client_id).await?.ok_or(AuthenticateError::Unknown)?;
        drop(conn);
        let client = &known.client;
        note(client);
        if client.authentication.method != AuthMethod::PrivateKeyJwt || *assertion.client_id() != client.client_id {
            return Err(AuthenticateError::AssertionUnexpected);
        }
        let keys = self.keys_of(client, assertion.kid()).await?;
        let now = self.clock.now();
        let used = assertion.check(&keys, &self.audiences, now)?;
        // Only what the client did sign gets a row: strangers cannot fill the table.
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        if !store::insert_assertion(&mut conn, &used, now).await? {
            return Err(AssertionError::Replayed.into());
        }
        enabled(client)
    }

    async fn keys_of(&self, client: &Client, kid: Option<&str>) -> Result<Arc<KeySet>, AssertionError> {
        match (&client.authentication.jwks, &client.authentication.jwks_uri) {
            (Some(jwks), _) => Ok(Arc::new(jwks.set().clone())),
            (None, Some(uri)) => self.key_sources.keys(uri, kid).await.map_err(AssertionError::KeysUnread),
            (None, None) => Err(AssertionError::KeysUnread("none are registered".to_owned())),
        }
    }
}

/// Not before it is known to be a client's: people send their address or worse by mistake.
fn note(client: &Client) {
    tracing::Span::current().record("client.id", tracing::field::display(&client.client_id));
    crate::audit::note_client(&client.client_id);
}

fn enabled(client: &Arc<Client>) -> Result<Arc<Client>, AuthenticateError> {
    if client.disabled_at.is_some() { Err(AuthenticateError::Disabled) } else { Ok(Arc::clone(client)) }
}
