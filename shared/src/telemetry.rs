//! Logs: one line an event on stderr, pretty on a terminal, else JSON with UTC times (RFC 3339).
//!
//! `RUST_LOG` filters; without it servers log from `info`, commands from `warn`. Crates below us stay at `info` whatever
//! it says: at `trace` some of them print what clients sent.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Crates whose debug and trace lines may hold bytes of requests, and Postgres' notices ("already exists, skipping"),
/// which are no news.
const QUIET: [&str; 10] = [
    "hyper=info",
    "hyper_util=info",
    "reqwest=info",
    "rustls=info",
    "h2=info",
    "tower_http=info",
    "axum=info",
    "oxide_auth=info",
    "sqlx=info",
    "sqlx::postgres::notice=warn",
];

/// Starts logging for this process, at `level` where `RUST_LOG` says nothing; a second call does nothing.
pub fn init(level: tracing::Level) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.as_str()));
    let directives = QUIET.iter().filter_map(|directive| directive.parse().ok());
    let filter = directives.fold(filter, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = if std::io::stderr().is_terminal() {
        let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(has_colour).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    // Tests start it more than once.
    drop(result);
}
