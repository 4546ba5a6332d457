//! What can be done with clients.

use secrecy::ExposeSecret;
use shared::clock::Clock;
use shared::db::{Conn, DbError, Pool};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::model::{Client, ClientId, ClientKind, ClientSecret, GrantType, NewClient, Presented};
use super::store;
use crate::resource_servers::ResourceServers;

/// Why a client was not authenticated. All but the last are one answer on the wire.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// No client has this id, or it was deleted.
    #[error("the client is unknown")]
    Unknown,
    /// It may not ask for tokens now.
    #[error("the client is disabled")]
    Disabled,
    /// A confidential client sent no secret.
    #[error("the client sent no secret, but has one")]
    SecretMissing,
    /// None of its secrets that are still good.
    #[error("the client's secret is wrong")]
    SecretWrong,
    /// A public client sent one: whoever wrote the request believes something wrong.
    #[error("the client sent a secret, but is public")]
    SecretUnexpected,
    /// The database gave no answer.
    #[error(transparent)]
    Internal(#[from] DbError),
}

/// Why clients could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Ids are never given out twice, not even after a deletion.
    #[error("the client_id `{0}` is taken or was taken before: choose another")]
    Taken(ClientId),
    /// No such client.
    #[error("there is no client `{0}`")]
    Unknown(ClientId),
    /// Public clients have none.
    #[error("the client `{0}` is public and has no secret")]
    NoSecret(ClientId),
    /// No resource server has this audience.
    #[error("no resource server has the audience `{0}`: see `auth-server resource list`")]
    Audience(String),
    /// Scopes that do not exist or belong to another audience.
    #[error("not a scope of the audience `{audience}` nor of users: {scopes}")]
    Scopes {
        /// The client's audience.
        audience: String,
        /// The scopes that do not fit, separated by spaces.
        scopes: String,
    },
    /// The default is what a request without scope gets, so it must be allowed.
    #[error("default scopes have to be among the client's scopes")]
    Defaults,
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The database gave no answer.
    #[error(transparent)]
    Internal(#[from] DbError),
}

/// The room's service.
#[derive(Clone, Debug)]
pub struct Clients {
    pool: Pool,
    clock: Clock,
    resource_servers: ResourceServers,
}

impl Clients {
    /// A service over this pool.
    #[must_use]
    pub const fn new(pool: Pool, clock: Clock, resource_servers: ResourceServers) -> Self {
        Self { pool, clock, resource_servers }
    }

    /// Finds the client and checks its secret in constant time (RFC 6749 section 3.2.1).
    ///
    /// # Errors
    /// [`AuthenticateError`] with the reason for the log.
    pub async fn authenticate(&self, presented: &Presented) -> Result<Client, AuthenticateError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let found = store::find(&mut conn, &presented.client_id).await?;
        let client = found.ok_or(AuthenticateError::Unknown)?;
        // Not before it is known to be a client's: people send their address or worse by mistake.
        tracing::Span::current().record("client.id", tracing::field::display(&client.client_id));
        match (client.kind, &presented.secret) {
            (ClientKind::Public, None) => {}
            (ClientKind::Public, Some(_)) => return Err(AuthenticateError::SecretUnexpected),
            (ClientKind::Confidential, None) => return Err(AuthenticateError::SecretMissing),
            (ClientKind::Confidential, Some(secret)) => {
                let presented = ClientSecret::hash(secret.expose_secret());
                let hashes = store::list_secret_hashes(&mut conn, &client.client_id, self.clock.now()).await?;
                let is_right = hashes.iter().fold(subtle::Choice::from(0), |any, hash| any | hash.ct_eq(&presented));
                if !bool::from(is_right) {
                    return Err(AuthenticateError::SecretWrong);
                }
            }
        }
        if client.disabled_at.is_some() { Err(AuthenticateError::Disabled) } else { Ok(client) }
    }

    /// Registers a client; a confidential one gets its first secret.
    ///
    /// # Errors
    /// [`ClientError`]; nothing is kept then.
    pub async fn create(&self, new: &NewClient) -> Result<(Client, Option<ClientSecret>), ClientError> {
        self.check(new).await?;
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let inserted = store::insert(&mut transaction, new, now).await?;
        let client = inserted.ok_or_else(|| ClientError::Taken(new.client_id.clone()))?;
        let secret = match new.kind {
            ClientKind::Public => None,
            ClientKind::Confidential => {
                let secret = ClientSecret::generate().map_err(ClientError::Randomness)?;
                let hash = ClientSecret::hash(secret.expose());
                store::insert_secret(&mut transaction, Uuid::now_v7(), &new.client_id, &hash, now).await?;
                Some(secret)
            }
        };
        transaction.commit().await.map_err(DbError::from)?;
        Ok((client, secret))
    }

    async fn check(&self, new: &NewClient) -> Result<(), ClientError> {
        let known = self.resource_servers.scopes_for(&new.audience).await?;
        let known = known.ok_or_else(|| ClientError::Audience(new.audience.clone()))?;
        let strangers: Vec<&str> = new.scopes.iter().filter(|scope| !known.contains(scope)).collect();
        if !strangers.is_empty() {
            return Err(ClientError::Scopes { audience: new.audience.clone(), scopes: strangers.join(" ") });
        }
        if new.default_scopes.is_subset(&new.scopes) { Ok(()) } else { Err(ClientError::Defaults) }
    }

    /// Every client that was not deleted, by id.
    ///
    /// # Errors
    /// [`ClientError::Internal`].
    pub async fn list(&self) -> Result<Vec<Client>, ClientError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        Ok(store::list(&mut conn).await?)
    }

    /// One client.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::Internal`].
    pub async fn get(&self, client_id: &ClientId) -> Result<Client, ClientError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        store::find(&mut conn, client_id).await?.ok_or_else(|| ClientError::Unknown(client_id.clone()))
    }

    /// A client, on the caller's connection.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find_in(&self, conn: &mut Conn, client_id: &ClientId) -> Result<Option<Client>, DbError> {
        store::find(conn, client_id).await
    }

    /// Deletes a client and its secrets; its id stays taken.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::Internal`].
    pub async fn delete(&self, client_id: &ClientId) -> Result<(), ClientError> {
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        if !store::delete(&mut transaction, client_id, self.clock.now()).await? {
            return Err(ClientError::Unknown(client_id.clone()));
        }
        store::delete_secrets(&mut transaction, client_id).await?;
        Ok(transaction.commit().await.map_err(DbError::from)?)
    }

    /// Replaces all secrets of a client by a new one.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::NoSecret`], [`ClientError::Internal`].
    pub async fn rotate_secret(&self, client_id: &ClientId) -> Result<ClientSecret, ClientError> {
        let secret = ClientSecret::generate().map_err(ClientError::Randomness)?;
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let client = store::find(&mut transaction, client_id).await?;
        let client = client.ok_or_else(|| ClientError::Unknown(client_id.clone()))?;
        if client.kind == ClientKind::Public {
            return Err(ClientError::NoSecret(client_id.clone()));
        }
        store::delete_secrets(&mut transaction, client_id).await?;
        let hash = ClientSecret::hash(secret.expose());
        store::insert_secret(&mut transaction, Uuid::now_v7(), client_id, &hash, self.clock.now()).await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(secret)
    }

    /// The grants that some client may use now; what metadata lists.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn grants_in_use(&self) -> Result<Vec<GrantType>, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list_grants_in_use(&mut conn).await
    }
}
