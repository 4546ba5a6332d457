//! The listener of `/metrics`, where one is set.

use std::net::SocketAddr;
use std::sync::Arc;

use shared::db::Pool;
use shared::http::serve;
use shared::metrics::{self, Exporter};
use shared::token::bearer::Gate;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::METRICS_BIND;

/// A listener that is bound, so that a mistake ends the start.
pub(super) struct Metrics(Option<(TcpListener, Exporter)>);

/// The task that answers.
pub(super) struct Serving(Option<JoinHandle<()>>);

impl Metrics {
    /// Begins to count, if there is an address.
    pub(super) async fn bind(address: Option<SocketAddr>) -> anyhow::Result<Self> {
        let Some(address) = address else { return Ok(Self(None)) };
        let listener = serve::bind(address, METRICS_BIND).await?;
        tracing::info!(metrics.listen = %listener.local_addr()?, "metrics are told");
        Ok(Self(Some((listener, metrics::install()?))))
    }

    /// Begins to answer.
    pub(super) fn serve(self, pool: &Pool, gate: &Arc<Gate>) -> Serving {
        let (pool, gate) = (pool.clone(), Arc::clone(gate));
        let read_gauges = move || {
            metrics::read_pool(&pool);
            metrics::read_gate(&gate);
        };
        Serving(self.0.map(|(listener, exporter)| tokio::spawn(exporter.serve(listener, read_gauges))))
    }
}

impl Serving {
    /// Ends it; it waits for nobody.
    pub(super) fn stop(self) {
        if let Some(task) = self.0 {
            task.abort();
        }
    }
}
