//! `auth-server serve`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use shared::db::{self, DbError, Pool, SchemaState};
use shared::http::serve::{self, ServeOptions};

use super::Context;
use crate::app;
use crate::config::AuthConfig;
use crate::state::AppState;

/// How long a start waits for a database that does not answer yet.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);
/// How soon a key that another replica or the command line made is known here.
const KEY_RELOAD: Duration = Duration::from_secs(10);

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
        let listener = serve::bind(context.config.bind, super::BIND).await?;
        wait_for_schema(&context.pool).await?;
        let state = AppState::start(context.config.clone(), context.pool.clone(), context.clock.clone()).await?;
        warn_of_missing_rows(&state).await?;
        if let Err(error) = state.users.warm_up().await {
            tracing::warn!(%error, "the first refusals of logins may tell a bcrypt hash by their time");
        }
        let reload = state.keys.spawn_reload(KEY_RELOAD);
        tracing::info!(
            listen = %listener.local_addr()?,
            issuer = state.config.issuer.as_str(),
            audience = state.config.audience,
            environment = ?state.config.common.environment,
            database = database_name(&state.config),
            version = super::VERSION,
            "auth-server listens"
        );
        let stop = serve::stop_signal().context("cannot watch for signals")?;
        serve::serve(listener, app::router(state), ServeOptions::default(), stop).await;
        reload.abort();
        context.pool.close().await;
        tracing::info!("auth-server stopped");
        Ok(())
    }
}

fn database_name(config: &AuthConfig) -> String {
    let options = &config.common.database.options;
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
}

/// A database that is still starting is waited for; one with another schema is a clear refusal.
async fn wait_for_schema(pool: &Pool) -> anyhow::Result<()> {
    let started = tokio::time::Instant::now();
    let state = loop {
        match schema_state(pool).await {
            Err(DbError::Unavailable(error)) if started.elapsed() < DATABASE_PATIENCE => {
                tracing::warn!(%error, "waiting for the database");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            answer => break answer.context("cannot read the schema's version")?,
        }
    };
    match state {
        SchemaState::Current => Ok(()),
        SchemaState::Behind(missing) => {
            bail!("the database lacks {missing} migrations of this version: run `auth-server migrate` first")
        }
        SchemaState::Ahead(version) => bail!(
            "the database has migration {version}, which this version does not know: it was migrated by a newer one; \
             run that one"
        ),
    }
}

async fn schema_state(pool: &Pool) -> Result<SchemaState, DbError> {
    let mut conn = pool.acquire().await?;
    db::schema_state(&mut conn).await
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
