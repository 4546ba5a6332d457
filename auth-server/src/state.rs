//! What every request can reach: the services of the rooms, made once.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use shared::clock::Clock;
use shared::db::{Pool, Relay};
use shared::token::bearer::Gate;
use shared::token::dpop::Proofs;
use shared::token::verifier::Verifier;

use crate::audit::{Audit, Witness};
use crate::clients::Clients;
use crate::codes::Codes;
use crate::config::AuthConfig;
use crate::consents::Consents;
use crate::devices::Devices;
use crate::keys::{KekRingError, KeysError, SigningKeys};
use crate::limits::Limits;
use crate::logins::Logins;
use crate::oauth::metadata::MetadataCache;
use crate::oauth::own_tokens::OwnTokens;
use crate::oauth::revocation_feed::FeedCache;
use crate::passwords::StartError;
use crate::proofs::Nonces;
use crate::pushed_requests::PushedRequests;
use crate::resource_servers::ResourceServers;
use crate::routes;
use crate::sessions::Sessions;
use crate::tokens::Tokens;
use crate::users::Users;
use crate::web::seal::Seals;

/// Shared by every request. axum clones it several times for each, so that a clone is no more than a count.
#[derive(Clone)]
pub struct AppState(Arc<Services>);

/// What [`AppState`] shares.
pub struct Services {
    /// The checked settings.
    pub config: Arc<AuthConfig>,
    /// The only source of time.
    pub clock: Clock,
    /// For `/readyz`, and for what spans several rooms: a feature reaches the database through its room's service.
    pub pool: Pool,
    /// The same connections, for what is asked often: handed from request to request.
    pub relay: Relay,
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
    /// Which browsers are signed in.
    pub sessions: Sessions,
    /// What people have allowed.
    pub consents: Consents,
    /// What browsers carry to clients.
    pub codes: Codes,
    /// Which devices wait for somebody.
    pub devices: Devices,
    /// What clients pushed before the browser came.
    pub pushed_requests: PushedRequests,
    /// Seals what browsers carry for us.
    pub seals: Seals,
    /// Makes and knows nonces for DPoP proofs.
    pub nonces: Nonces,
    /// Checks access tokens at our own protected routes.
    pub gate: Arc<Gate>,
    /// Who signs.
    pub keys: SigningKeys,
    /// Where it is recorded what happened.
    pub audit: Audit,
    /// The revocation feed as it was a moment ago.
    pub revocation_feed: FeedCache,
    /// What metadata says that depends on rows.
    pub metadata: MetadataCache,
}

impl Deref for AppState {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl FromRef<AppState> for Arc<Gate> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gate)
    }
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
        let relay = Relay::new(pool.clone());
        let users = Users::start(relay.clone(), clock.clone(), &config.passwords, config.user_scopes.clone())?;
        let tokens = Tokens::new(relay.clone(), keks.clone(), users.clone(), config.refresh);
        let sessions = Sessions::new(pool.clone(), config.sessions, users.clone(), tokens.clone());
        let verifier = Verifier::of_issuer(config.issuer.as_str(), keys.verifying());
        let clients = Clients::new(pool.clone(), clock.clone(), resource_servers.clone(), config.refresh.absolute)
            .answering_to([config.issuer.as_str().to_owned(), config.issuer.endpoint(routes::TOKEN)]);
        let limits = Limits::new(relay.clone(), &keks, config.limits);
        let witness = Witness::new(keys.clone(), keks.clone());
        let gate = Gate::new(verifier, keys.source().clone(), "auth-server", clock.clone());
        let gate = match Proofs::new(config.issuer.as_str()) {
            Ok(proofs) => gate.with_proofs(proofs),
            // Only an address that is none has no proofs, and no issuer is one.
            Err(_) => gate,
        };
        Ok(Self(Arc::new(Services {
            audit: Audit::start(pool.clone(), clock.clone(), Some(witness)),
            own_tokens: OwnTokens::new(config.issuer.as_str(), keys.verifying()),
            gate: Arc::new(gate),
            nonces: Nonces::new(&keks),
            consents: Consents::new(pool.clone(), tokens.clone()),
            devices: Devices {
                pool: pool.clone(),
                keks: keks.clone(),
                settings: config.devices,
                limits: limits.clone(),
                sessions: sessions.clone(),
                tokens: tokens.clone(),
                users: users.clone(),
            },
            codes: Codes::new(relay.clone(), config.code_ttl, sessions.clone(), tokens.clone(), users.clone()),
            pushed_requests: PushedRequests::new(pool.clone(), limits.clone(), config.pushed_request_ttl),
            seals: Seals::new(keks),
            sessions,
            tokens,
            keys,
            logins: Logins::new(users.clone(), clients.clone(), limits, clock.clone()),
            users,
            clients,
            metadata: MetadataCache::default(),
            revocation_feed: FeedCache::default(),
            resource_servers,
            config: Arc::new(config),
            clock,
            pool,
            relay,
        })))
    }
}
