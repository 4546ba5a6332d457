//! `movies-api serve`. It starts without database and without auth-server; `/readyz` tells what is missing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use shared::clock::Clock;
use shared::config::Sources;
use shared::db::{self, DbError, Pool, SchemaState};
use shared::http::serve::{self, ServeOptions};
use shared::token::bearer::Gate;
use shared::token::source::{Keys, KeysOptions};
use shared::token::verifier::Verifier;

use super::database::too_old;
use crate::app;
use crate::config::{Config, MAX_CONNECTIONS, START_TIMEOUT};
use crate::state::AppState;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address and port to listen on, instead of MYAPI_MOVIES__BIND.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<SocketAddr>,
}

pub(super) async fn run(file: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<()> {
    let flags = arguments.bind.map(|bind| ("MYAPI_MOVIES__BIND".to_owned(), bind.to_string()));
    let (config, settings) = Config::load(&Sources::process(file, flags.into_iter().collect()))?;
    for notice in settings.notices() {
        tracing::warn!("{notice}");
    }
    let stop = serve::stop_signal()?;
    let listener = serve::bind(config.bind, "MYAPI_MOVIES__BIND").await?;

    let keys = Keys::new(config.keys.clone(), KeysOptions::default())?;
    keys.load().await.context("no token can be checked")?;
    let pool = db::pool(config.common.database.options.clone(), MAX_CONNECTIONS, "movies-api");
    refuse_newer_schema(&pool).await?;

    let verifier = Verifier::new(config.issuer.clone(), config.audience.clone(), keys.set());
    let gate = Arc::new(Gate::new(verifier, keys.clone(), "movies", Clock::system()));
    let is_https = config.issuer.starts_with("https://");
    let app = app::router(AppState { pool: pool.clone(), gate }, is_https);
    let refreshing = tokio::spawn(keys.clone().keep_fresh());

    tracing::info!(
        listen = %listener.local_addr()?,
        issuer = config.issuer,
        audience = config.audience,
        environment = ?config.common.environment,
        database = db::place(&config.common.database.options),
        keys.ready = keys.is_ready(),
        version = super::VERSION.as_str(),
        "movies-api listens"
    );
    serve::serve(listener, app, ServeOptions::default(), stop).await;
    refreshing.abort();
    pool.close().await;
    tracing::info!("movies-api stopped");
    Ok(())
}

/// An older binary may misread what a newer one wrote. A database that does not answer now is no reason to wait.
async fn refuse_newer_schema(pool: &Pool) -> anyhow::Result<()> {
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
        Ok(Ok(SchemaState::Ahead(version))) => bail!(too_old(version)),
        Ok(Err(DbError::Other(error))) => tracing::warn!(%error, "cannot tell which migrations the database has"),
        Ok(Err(DbError::Unavailable(error))) => tracing::warn!(%error, "starting without the database"),
        Err(_) => tracing::warn!("starting without the database: it does not answer"),
    }
    Ok(())
}
