//! One client at a time.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use shared::clock::Clock;
use shared::db::{Conn, DbError, Pool};

use super::authentication::AuthMethod;
use super::error::ClientError;
use super::key_sources::KeySources;
use super::known::KnownClients;
use super::model::{Client, ClientId, GrantType, NewClient};
use super::secret::{ClientSecret, KnownSecret, Rotated};
use super::{rules, store};
use crate::audit::{self, Event, Kind};
use crate::resource_servers::{Catalogue, ResourceServers};
use crate::revocations::{self, Revoked};

/// The room's service.
#[derive(Clone, Debug)]
pub struct Clients {
    pub(super) pool: Pool,
    pub(super) clock: Clock,
    pub(super) key_sources: KeySources,
    pub(super) audiences: Arc<[String]>,
    pub(super) known: KnownClients,
    resource_servers: ResourceServers,
    longest_refresh: Duration,
}

impl Clients {
    /// A service over this pool. No client may have refresh tokens that live longer than `longest_refresh`.
    #[must_use]
    pub fn new(pool: Pool, clock: Clock, resource_servers: ResourceServers, longest_refresh: Duration) -> Self {
        let (key_sources, audiences, known) = (KeySources::new(), Arc::default(), KnownClients::new());
        Self { pool, clock, key_sources, audiences, known, resource_servers, longest_refresh }
    }

    /// Takes assertions whose `aud` is one of these; without, there is none that would do.
    #[must_use]
    pub fn answering_to(self, audiences: impl Into<Arc<[String]>>) -> Self {
        Self { audiences: audiences.into(), ..self }
    }

    /// Registers a client; a confidential one gets its first secret.
    ///
    /// # Errors
    /// [`ClientError`]; nothing is kept then.
    pub async fn create(&self, new: &NewClient) -> Result<(Client, Option<ClientSecret>), ClientError> {
        let new = new.clone().in_order();
        self.check(&new, &self.resource_servers.catalogue().await?)?;
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let inserted = store::insert(&mut transaction, &new, now).await?;
        let client = inserted.ok_or_else(|| ClientError::Taken(new.client_id.clone()))?;
        let secret = match new.authentication.method {
            AuthMethod::None | AuthMethod::PrivateKeyJwt => None,
            AuthMethod::Secret => {
                let secret = ClientSecret::generate().map_err(ClientError::Randomness)?;
                store::insert_secret(&mut transaction, &new.client_id, secret.hash(), now).await?;
                Some(secret)
            }
        };
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::ClientCreated).client(&client.client_id));
        Ok((client, secret))
    }

    /// Changes a client. `change` sees it as it is and says how it is to be; its id and kind stay.
    ///
    /// # Errors
    /// [`ClientError`]; nothing is changed then.
    pub async fn update(
        &self,
        client_id: &ClientId,
        change: impl FnOnce(NewClient) -> NewClient + Send,
    ) -> Result<Client, ClientError> {
        let catalogue = self.resource_servers.catalogue().await?;
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let client = get_locked(&mut transaction, client_id).await?;
        let new = NewClient { client_id: client.client_id.clone(), kind: client.kind, ..change(client.registration()) };
        let new = new.in_order();
        self.check(&new, &catalogue)?;
        let updated = store::update(&mut transaction, &new).await?;
        if new.authentication.method != AuthMethod::Secret {
            store::delete_secrets(&mut transaction, client_id, &[]).await?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::ClientUpdated).client(client_id));
        updated.ok_or_else(|| ClientError::Unknown(client_id.clone()))
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

    /// A client, on the caller's connection. What was read before is not read again while it is as it was.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find_in(&self, conn: &mut Conn, client_id: &ClientId) -> Result<Option<Arc<Client>>, DbError> {
        Ok(self.known.find(conn, client_id).await?.map(|known| Arc::clone(&known.client)))
    }

    /// What is known of a client's secrets that are good now, the newest first.
    ///
    /// # Errors
    /// [`ClientError::Internal`].
    pub async fn secrets(&self, client_id: &ClientId) -> Result<Vec<KnownSecret>, ClientError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        Ok(store::list_secrets(&mut conn, client_id, self.clock.now()).await?)
    }

    /// Ends all that a client may do: it is refused from now on, and its tokens are revoked. One that is disabled
    /// already stays as it is.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::Internal`].
    pub async fn disable(&self, client_id: &ClientId) -> Result<Client, ClientError> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let dead = store::disable(&mut transaction, client_id, now).await?;
        let client = store::find(&mut transaction, client_id).await?;
        let client = client.ok_or_else(|| ClientError::Unknown(client_id.clone()))?;
        let revoked = dead.map(|version| Revoked::Client { client_id: client_id.clone(), version });
        revocations::append(&mut transaction, revoked.as_slice(), now).await?;
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::ClientDisabled).client(client_id));
        Ok(client)
    }

    /// Lets a client ask again; its earlier tokens stay dead.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::Internal`].
    pub async fn enable(&self, client_id: &ClientId) -> Result<Client, ClientError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        store::enable(&mut conn, client_id).await?;
        let client = store::find(&mut conn, client_id).await?.ok_or_else(|| ClientError::Unknown(client_id.clone()))?;
        audit::note(Event::ok(Kind::ClientEnabled).client(client_id));
        Ok(client)
    }

    /// Deletes a client and its secrets, and revokes its tokens; its id stays taken.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::Internal`].
    pub async fn delete(&self, client_id: &ClientId) -> Result<(), ClientError> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let dead = store::delete(&mut transaction, client_id, now).await?;
        let version = dead.ok_or_else(|| ClientError::Unknown(client_id.clone()))?;
        store::delete_secrets(&mut transaction, client_id, &[]).await?;
        let revoked = Revoked::Client { client_id: client_id.clone(), version };
        revocations::append(&mut transaction, &[revoked], now).await?;
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::ClientDeleted).client(client_id));
        Ok(())
    }

    /// Gives a client a new secret. The one before it stays good for `keep`, those before that one end now.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::NoSecret`], [`ClientError::Internal`].
    pub async fn rotate_secret(&self, client_id: &ClientId, keep: Duration) -> Result<Rotated, ClientError> {
        let secret = ClientSecret::generate().map_err(ClientError::Randomness)?;
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        if get_locked(&mut transaction, client_id).await?.authentication.method != AuthMethod::Secret {
            return Err(ClientError::NoSecret(client_id.clone()));
        }
        let older_expires_at = match TimeDelta::from_std(keep) {
            Ok(keep) if keep > TimeDelta::zero() => {
                store::keep_one_secret(&mut transaction, client_id, now + keep, now).await?
            }
            _ => {
                store::delete_secrets(&mut transaction, client_id, &[]).await?;
                None
            }
        };
        store::insert_secret(&mut transaction, client_id, secret.hash(), now).await?;
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::ClientSecret).client(client_id));
        Ok(Rotated { secret, older_expires_at })
    }

    /// The grants that some client may use now; what metadata lists.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn grants_in_use(&self) -> Result<Vec<GrantType>, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list_grants_in_use(&mut conn).await
    }

    pub(super) async fn catalogue(&self) -> Result<Catalogue, ClientError> {
        Ok(self.resource_servers.catalogue().await?)
    }

    pub(super) fn check(&self, new: &NewClient, catalogue: &Catalogue) -> Result<(), ClientError> {
        rules::check(new, catalogue, self.longest_refresh)
            .map_err(|broken| ClientError::Rule { client_id: new.client_id.clone(), broken })
    }
}

async fn get_locked(conn: &mut Conn, client_id: &ClientId) -> Result<Client, ClientError> {
    store::find_locked(conn, client_id).await?.ok_or_else(|| ClientError::Unknown(client_id.clone()))
}
