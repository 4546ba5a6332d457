//! What every request can reach: the services of the rooms, made once.

use std::sync::Arc;

use shared::clock::Clock;
use shared::db::Pool;

use crate::audit::{Audit, Witness};
use crate::clients::Clients;
use crate::config::AuthConfig;
use crate::keys::{KekRingError, KeysError, SigningKeys};
use crate::limits::Limits;
use crate::logins::Logins;
use crate::oauth::metadata::MetadataCache;
use crate::oauth::own_tokens::OwnTokens;
use crate::oauth::revocation_feed::FeedCache;
use crate::passwords::StartError;
use crate::resource_servers::ResourceServers;
use crate::tokens::Tokens;
use crate::users::Users;

/// Shared by every request; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The checked settings.
    pub config: Arc<AuthConfig>,
    /// The only source of time.
    pub clock: Clock,
    /// For `/readyz`, and for what spans several rooms: a feature reaches the database through its room's service.
    pub pool: Pool,
    /// Who can log in.
    pub users: Users,
    /// Who can ask for tokens.
    pub clients: Clients,
    /// How users and clients prove who they are, within limits.
    pub logins: Logins,
    /// What tokens can be for.
    pub resource_servers: ResourceServers,
    /// Checks access tokens that come back.
    pub own_tokens: OwnTokens,
    /// What lets a client come again.
    pub tokens: Tokens,
    /// Who signs.
    pub keys: SigningKeys,
    /// Where it is recorded what happened.
    pub audit: Audit,
    /// The revocation feed as it was a moment ago.
    pub revocation_feed: FeedCache,
    /// What metadata says that depends on rows.
    pub metadata: MetadataCache,
}

/// Why the services cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The key encryption key is missing or malformed.
    #[error(transparent)]
    KeyRing(#[from] KekRingError),
    /// The signing keys cannot be read or opened.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The password lane cannot start.
    #[error(transparent)]
    Passwords(#[from] StartError),
}

impl AppState {
    /// Makes every service; reads and opens the signing keys, and starts the password lane and the audit log's
    /// writer.
    ///
    /// # Errors
    /// [`StateError`]; then nothing runs.
    pub async fn start(config: AuthConfig, pool: Pool, clock: Clock) -> Result<Self, StateError> {
        let resource_servers = ResourceServers::new(pool.clone(), clock.clone());
        let keks = config.key_ring()?;
        let keys = SigningKeys::load(pool.clone(), keks.clone()).await?;
        let users = Users::start(pool.clone(), clock.clone(), &config.passwords, config.user_scopes.clone())?;
        let clients = Clients::new(pool.clone(), clock.clone(), resource_servers.clone(), config.refresh.absolute);
        let limits = Limits::new(pool.clone(), &keks, config.limits);
        let witness = Witness::new(keys.clone(), keks.clone());
        Ok(Self {
            audit: Audit::start(pool.clone(), clock.clone(), Some(witness)),
            own_tokens: OwnTokens::new(config.issuer.as_str(), keys.verifying()),
            keys,
            tokens: Tokens::new(pool.clone(), keks, users.clone(), config.refresh),
            logins: Logins::new(users.clone(), clients.clone(), limits, clock.clone()),
            users,
            clients,
            metadata: MetadataCache::default(),
            revocation_feed: FeedCache::default(),
            resource_servers,
            config: Arc::new(config),
            clock,
            pool,
        })
    }
}
