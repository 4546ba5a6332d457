//! `movies-api serve`. It starts without database and without auth-server; `/readyz` tells what is missing.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use shared::cli::parse_address;
use shared::clock::Clock;
use shared::config::{ACCEPT_NEWER, Sources};
use shared::db::{self, DbError, Pool, Primary, SchemaError, SchemaState};
use shared::http::docs::Endpoints;
use shared::http::serve::{self, ServeOptions};
use shared::token::bearer::{Gate, Limits};
use shared::token::source::{KeySource, Keys};
use shared::token::verifier::Verifier;
use shared::traces;

use super::background::Background;
use super::database;
use super::metrics::Metrics;
use super::{BIND, VERSION};
use crate::app::{self, AppOptions, Resource};
use crate::config::{Config, MAX_CONNECTIONS, REALM, START_TIMEOUT};
use crate::state::AppState;

const EXAMPLES: &str = "\
Examples:
  MYAPI_MOVIES__JWKS_URL=http://127.0.0.1:8001/.well-known/jwks.json movies-api serve
  movies-api --config /etc/movies-api.toml serve --bind 127.0.0.1:9000

SIGTERM and Ctrl-C stop it when the requests under way are answered.";

/// Flags of `serve`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Serve {
    /// Address and port to listen on, in place of MYAPI_MOVIES__BIND
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    bind: Option<SocketAddr>,
}

impl Serve {
    pub(super) fn flags(&self) -> Vec<(String, String)> {
        self.bind.iter().map(|bind| (BIND.to_owned(), bind.to_string())).collect()
    }

    pub(super) async fn run(&self, sources: &Sources) -> anyhow::Result<()> {
        let (config, settings) = Config::load(sources)?;
        for notice in settings.notices() {
            tracing::warn!("{notice}");
        }
        traces::start(config.common.traces.as_ref(), "movies-api", VERSION)?;
        let stop = serve::stop_signal()?;
        let listener = serve::bind(config.bind, BIND).await?;
        let metrics = Metrics::bind(config.metrics_bind).await?;

        let keys = Keys::new(config.keys.clone(), config.key_options())?;
        keys.load().await.context("no token can be checked")?;
        if matches!(config.keys, KeySource::JwksUrl(_)) && config.key_cache.is_none() {
            tracing::info!("MYAPI_MOVIES__KEY_CACHE is not set: a start while the auth-server is down has no keys");
        }
        let pool = db::pool(config.common.database.options.clone(), MAX_CONNECTIONS, "movies-api");
        let examined = database::examine(&config.common).await?;
        let (mut background, revocations) = Background::start(&config, &keys, examined.direct)?;
        refuse_newer_schema(&pool, config.common.accepts_newer).await?;
        background.has_read().await;
        let primary = primary(&config, &pool);
        primary.look().await;
        let following = tokio::spawn(primary.clone().follow());

        let verifier = Verifier::new(config.issuer.clone(), config.audience.clone(), keys.set())
            .with_revocations(revocations.clone());
        let limits = Limits::new(config.limit_subject, config.limit_client, Clock::system());
        let (audience, issuer) = (config.audience.clone(), config.issuer.clone());
        let resource = Resource { audience, issuer, requires_dpop: config.requires_dpop };
        let gate =
            Arc::new(resource.guard(Gate::new(verifier, keys.clone(), REALM, Clock::system()).with_limits(limits)));
        let metrics = metrics.serve(&pool, &gate);
        let is_https = config.issuer.starts_with("https://");
        let login = Endpoints::of(&config.issuer);
        let (cors_origins, docs_client) = (config.cors_origins.clone(), config.docs_client.clone());
        let options = AppOptions { is_https, resource, cors_origins, has_docs: config.has_docs, login, docs_client };
        let app = app::router(AppState { relay: pool.clone().into(), primary, gate }, options);

        tracing::info!(
            listen = %listener.local_addr()?,
            issuer = config.issuer,
            audience = config.audience,
            environment = ?config.common.environment,
            database = db::place(&config.common.database.options),
            keys.ready = keys.is_ready(),
            revocations = ?revocations.freshness(),
            version = VERSION,
            "movies-api listens"
        );
        let options = ServeOptions { max_connections: config.max_connections, ..ServeOptions::default() };
        tokio::select! {
            () = serve::serve(listener, app, options, stop) => {}
            // Nothing is drained: each further answer may be somebody else's.
            error = examined.watch() => return Err(error),
        }
        following.abort();
        background.stop().await;
        metrics.stop();
        db::close(&pool).await;
        tracing::info!("movies-api stopped");
        Ok(())
    }
}

/// Where writes go. The second pool connects when the first one's database turns out to be a standby.
fn primary(config: &Config, pool: &Pool) -> Primary {
    let direct = config.common.direct.as_ref();
    let direct = direct.map(|direct| db::pool(direct.options.clone(), MAX_CONNECTIONS, "movies-api-primary"));
    Primary::new(pool.clone(), direct)
}

/// An older binary may misread what a newer one wrote. A database that does not answer now is no reason to wait.
async fn refuse_newer_schema(pool: &Pool, accepts_newer: bool) -> anyhow::Result<()> {
    let ask = async {
        let mut conn = pool.acquire().await?;
        db::schema_state(&mut conn).await
    };
    match tokio::time::timeout(START_TIMEOUT, ask).await {
        Ok(Ok(SchemaState::Current)) => {}
        Ok(Ok(SchemaState::Behind(missing))) => {
            tracing::warn!(
                migrations.missing = missing,
                "the database is older than this binary: run `auth-server migrate`"
            );
        }
        Ok(Ok(SchemaState::Ahead(version))) if accepts_newer => {
            tracing::warn!(
                migration = version,
                "the database is newer than this program: it goes on, as it was told to"
            );
        }
        Ok(Ok(SchemaState::Ahead(version))) => bail!(
            "the database is newer than this program: {} (or set {ACCEPT_NEWER}=true)",
            SchemaError::Ahead(version)
        ),
        Ok(Err(DbError::Other(error))) => tracing::warn!(%error, "cannot tell which migrations the database has"),
        Ok(Err(DbError::Unavailable(error))) => tracing::warn!(%error, "starting without the database"),
        Err(_) => tracing::warn!("starting without the database: it does not answer"),
    }
    Ok(())
}
