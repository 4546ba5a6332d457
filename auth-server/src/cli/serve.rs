//! `auth-server serve`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use shared::config::ACCEPT_NEWER;
use shared::db::pooler::{self, PoolerError};
use shared::db::{self, DbError, SchemaState};
use shared::http::serve::{self, ServeOptions};
use shared::metrics::{self, Exporter};
use shared::traces;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::net::TcpListener;

use super::Context;
use crate::app;
use crate::audit::{self, Audit, Event, Kind, Trail};
use crate::config::{AuthConfig, METRICS_BIND};
use crate::housekeeping::Housekeeping;
use crate::state::AppState;

const EXAMPLES: &str = "\
Examples:
  auth-server serve
  auth-server --config /etc/auth-server.toml serve --bind 127.0.0.1:9001

SIGTERM and Ctrl-C stop it when the requests under way are answered.";

/// Flags of `serve`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Serve {
    /// Address and port to listen on, in place of MYAPI_AUTH__BIND
    #[arg(long, value_name = "ADDRESS", value_parser = shared::cli::parse_address)]
    bind: Option<SocketAddr>,
}

impl Serve {
    pub(super) fn flags(&self) -> Vec<(String, String)> {
        self.bind.iter().map(|bind| (super::BIND.to_owned(), bind.to_string())).collect()
    }

    pub(super) async fn run(&self, context: &Context) -> anyhow::Result<()> {
        for notice in &context.config.notices {
            tracing::warn!("{notice}");
        }
        if context.config.issuer.is_https() && context.config.trusted_proxies.is_empty() {
            tracing::warn!(
                "clients reach this server by https, so through a proxy, and MYAPI_AUTH__TRUSTED_PROXIES names none: \
                 all of them share the proxy's limits of failed logins"
            );
        }
        traces::start(context.config.common.traces.as_ref(), "auth-server", super::VERSION)?;
        // First what no waiting for the database can mend.
        context.config.key_ring()?;
        let listener = serve::bind(context.config.bind, super::BIND).await?;
        let metrics = bind_metrics(&context.config).await?;
        wait_for_schema(&context.config).await?;
        let state = AppState::start(context.config.clone(), context.pool.clone(), context.clock.clone()).await?;
        warn_of_missing_rows(&state).await?;
        if let Err(error) = state.users.warm_up().await {
            tracing::warn!(%error, "the first refusals of logins may tell a bcrypt hash by their time");
        }
        let reload = state.keys.spawn_reload(context.config.key_reload);
        let audit = state.audit.clone();
        let trail = Trail::of_server(audit.clone());
        let schedule = state.keys.spawn_schedule(context.config.key_schedule(), context.clock.clone(), trail);
        let housekeeping =
            Housekeeping::new(context.pool.clone(), context.clock.clone(), context.config.refresh.absolute)
                .with_audit_retention(context.config.audit_retention)
                .spawn(context.config.housekeeping);
        let metrics = metrics.map(|(listener, exporter)| {
            let state = state.clone();
            tokio::spawn(exporter.serve(listener, move || read_gauges(&state)))
        });
        // Before the start line: whoever reads it may stop us.
        let stop = serve::stop_signal().context("cannot watch for signals")?;
        tracing::info!(
            listen = %listener.local_addr()?,
            issuer = state.config.issuer.as_str(),
            audience = state.config.audience,
            environment = ?state.config.common.environment,
            database = db::place(&state.config.common.database.options),
            version = super::VERSION,
            "auth-server listens"
        );
        record(&audit, Kind::ServerStarted).await;
        let options = ServeOptions { max_connections: context.config.max_connections, ..ServeOptions::default() };
        let served = serve::serve(listener, app::router(state), options, stop);
        tokio::select! {
            () = served => {}
            // Nothing is drained: each further answer may be somebody else's.
            error = pooler::lost_statement() => return Err(unusable(&context.config, error)),
        }
        reload.abort();
        schedule.abort();
        housekeeping.abort();
        if let Some(metrics) = metrics {
            metrics.abort();
        }
        record(&audit, Kind::ServerStopped).await;
        audit.close(super::AUDIT_PATIENCE).await;
        db::close(&context.pool).await;
        tracing::info!("auth-server stopped");
        Ok(())
    }
}

/// The listener of `/metrics`, where one is set: a mistake in it ends the start.
async fn bind_metrics(config: &AuthConfig) -> anyhow::Result<Option<(TcpListener, Exporter)>> {
    let Some(address) = config.metrics_bind else { return Ok(None) };
    let listener = serve::bind(address, METRICS_BIND).await?;
    tracing::info!(metrics.listen = %listener.local_addr()?, "metrics are told");
    Ok(Some((listener, metrics::install()?)))
}

fn read_gauges(state: &AppState) {
    metrics::read_pool(&state.pool);
    let lane = state.users.lane().counts();
    metrics::read_state(metrics::PASSWORD_LANE, "waiting", lane.waiting);
    metrics::read_state(metrics::PASSWORD_LANE, "running", lane.running);
    metrics::read_total(metrics::PASSWORD_BEGUN, u64::try_from(lane.begun).unwrap_or(u64::MAX));
    metrics::read_total(metrics::PASSWORD_ABANDONED, u64::try_from(lane.abandoned).unwrap_or(u64::MAX));
}

async fn record(audit: &Audit, kind: Kind) {
    Trail::of_server(audit.clone()).scope(async { audit::note(Event::ok(kind).detail(super::VERSION)) }).await;
}

/// A database that is still starting is waited for; one with another schema is a clear refusal.
async fn wait_for_schema(config: &AuthConfig) -> anyhow::Result<()> {
    let started = tokio::time::Instant::now();
    let state = loop {
        match examine(config).await? {
            Err(DbError::Unavailable(error)) if started.elapsed() < config.database_patience => {
                tracing::warn!(%error, database = db::place(&config.common.database.options), "waiting for the database");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            answer => {
                break answer.with_context(|| {
                    let variable = &config.common.database.variable;
                    format!(
                        "cannot use the database {} (set by {variable})",
                        db::place(&config.common.database.options)
                    )
                })?;
            }
        }
    };
    match state {
        SchemaState::Current => Ok(()),
        SchemaState::Behind(missing) => {
            bail!("the database lacks {missing} migrations of this version: run `auth-server migrate` first")
        }
        SchemaState::Ahead(version) if config.common.accepts_newer => {
            tracing::warn!(
                migration = version,
                "the database is newer than this program: it goes on, as it was told to"
            );
            Ok(())
        }
        SchemaState::Ahead(version) => bail!(
            "the database has migration {version}, which this version does not know: it was migrated by a newer one; \
             run that one (or set {ACCEPT_NEWER}=true)"
        ),
    }
}

/// First what stands before it, for that decides whether anything else that it says can be believed.
async fn examine(config: &AuthConfig) -> anyhow::Result<Result<SchemaState, DbError>> {
    let options = &config.common.database.options;
    match pooler::examine(options).await {
        Ok(_) => Ok(schema_state(options).await),
        Err(PoolerError::Database(error)) => Ok(Err(error)),
        Err(error @ PoolerError::Unsafe(_)) => Err(unusable(config, error)),
    }
}

fn unusable(config: &AuthConfig, error: PoolerError) -> anyhow::Error {
    let database = &config.common.database;
    let place = db::place(&database.options);
    anyhow::Error::new(error).context(format!("cannot use the database {place} (set by {})", database.variable))
}

/// Over a connection of its own: the pool says only that it timed out, not why.
async fn schema_state(options: &PgConnectOptions) -> Result<SchemaState, DbError> {
    let options = options.clone().application_name("auth-server");
    let connected = tokio::time::timeout(db::ACQUIRE_TIMEOUT, options.connect()).await;
    let mut conn = connected.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))?;
    let state = db::schema_state(&mut conn).await?;
    conn.close().await?;
    Ok(state)
}

/// Settings that name rows which are not there: requests would be refused, and the log says why before they are.
async fn warn_of_missing_rows(state: &AppState) -> anyhow::Result<()> {
    if state.resource_servers.scopes_for(&state.config.audience).await?.is_none() {
        tracing::warn!(
            audience = state.config.audience,
            "MYAPI_AUTH__AUDIENCE is no registered resource server: see `auth-server resource list`"
        );
    }
    if let Some(client_id) = &state.config.default_client
        && state.clients.get(client_id).await.is_err()
    {
        tracing::warn!(client.id = %client_id, "MYAPI_AUTH__DEFAULT_CLIENT is no registered client");
    }
    Ok(())
}
