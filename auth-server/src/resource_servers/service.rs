//! What can be done with resource servers.

use std::collections::BTreeMap;

use shared::clock::Clock;
use shared::db::{DbError, Pool};
use shared::token::scope::ScopeSet;

use super::model::{Catalogue, NewScope, ResourceServer};
use super::store;
use crate::audit::{self, Event, Kind};

/// Why resource servers could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ResourceServerError {
    /// Audience, name or one of the scopes is there already.
    #[error("the {0} is taken by another resource server")]
    Taken(&'static str),
    /// No resource server has this name.
    #[error("there is no resource server `{0}`: see `auth-server resource list`")]
    Unknown(String),
    /// The database gave no answer.
    #[error(transparent)]
    Internal(#[from] DbError),
}

/// The room's service.
#[derive(Clone, Debug)]
pub struct ResourceServers {
    pool: Pool,
    clock: Clock,
}

impl ResourceServers {
    /// A service over this pool.
    #[must_use]
    pub const fn new(pool: Pool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// Registers a service and its scopes.
    ///
    /// # Errors
    /// [`ResourceServerError`]; nothing is kept then.
    pub async fn create(&self, audience: &str, name: &str, scopes: &[NewScope]) -> Result<(), ResourceServerError> {
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let inserted = store::insert(&mut transaction, audience, name, self.clock.now()).await;
        inserted.map_err(taken)?;
        for scope in scopes {
            store::insert_scope(&mut transaction, audience, scope).await.map_err(taken)?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::ResourceServer).detail(format_args!("{name} created, {audience}")));
        Ok(())
    }

    /// Registers the first service of an empty database; false when there is one already.
    ///
    /// # Errors
    /// [`ResourceServerError`]; nothing is kept then.
    pub async fn create_first(
        &self,
        audience: &str,
        name: &str,
        scopes: &[NewScope],
    ) -> Result<bool, ResourceServerError> {
        match self.list().await?.is_empty() {
            false => Ok(false),
            true => match self.create(audience, name, scopes).await {
                Ok(()) => Ok(true),
                // Another `migrate` was faster.
                Err(ResourceServerError::Taken(_)) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// Adds scopes to a service.
    ///
    /// # Errors
    /// [`ResourceServerError`]; nothing is kept then.
    pub async fn add_scopes(&self, name: &str, scopes: &[NewScope]) -> Result<(), ResourceServerError> {
        let server = self.list().await?.into_iter().find(|server| server.name == name);
        let server = server.ok_or_else(|| ResourceServerError::Unknown(name.to_owned()))?;
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        for scope in scopes {
            store::insert_scope(&mut transaction, &server.audience, scope).await.map_err(taken)?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        let names: Vec<&str> = scopes.iter().map(|scope| scope.scope.as_str()).collect();
        audit::note(Event::ok(Kind::ResourceServer).detail(format_args!("{name} has {}", names.join(" "))));
        Ok(())
    }

    /// Gives a service another audience; its scopes and clients follow.
    ///
    /// # Errors
    /// [`ResourceServerError`].
    pub async fn set_audience(&self, name: &str, audience: &str) -> Result<(), ResourceServerError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let is_known = store::update_audience(&mut conn, name, audience).await.map_err(taken)?;
        if !is_known {
            return Err(ResourceServerError::Unknown(name.to_owned()));
        }
        audit::note(Event::ok(Kind::ResourceServer).detail(format_args!("{name} is now {audience}")));
        Ok(())
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(&self) -> Result<Vec<ResourceServer>, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list(&mut conn).await
    }

    /// The scopes that a token for `audience` may have, those of users included; `None` for an unknown audience.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn scopes_for(&self, audience: &str) -> Result<Option<ScopeSet>, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::find_scopes(&mut conn, audience).await
    }

    /// What scopes allow, in the words of their rows.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn descriptions(&self, scopes: &ScopeSet) -> Result<BTreeMap<String, String>, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list_descriptions(&mut conn, scopes).await
    }

    /// The scopes of every audience.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn catalogue(&self) -> Result<Catalogue, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list_catalogue(&mut conn).await
    }

    /// Every scope there is; what metadata lists.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn all_scopes(&self) -> Result<ScopeSet, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list_scopes(&mut conn).await
    }
}

fn taken(error: DbError) -> ResourceServerError {
    match error.constraint() {
        Some("resource_servers_pkey") => ResourceServerError::Taken("audience"),
        Some("resource_servers_name_key") => ResourceServerError::Taken("name"),
        Some("scopes_pkey") => ResourceServerError::Taken("scope"),
        _ => ResourceServerError::Internal(error),
    }
}
