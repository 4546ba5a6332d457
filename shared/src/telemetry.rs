//! Logs: one line an event on stderr, pretty on a terminal, else JSON with UTC times (RFC 3339).
//!
//! `RUST_LOG` filters (default `info`). Crates below us stay at `info` whatever it says: at `trace` some of them print
//! what clients sent.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Crates whose debug and trace lines may hold bytes of requests.
const QUIET: [&str; 9] = ["hyper", "hyper_util", "reqwest", "rustls", "sqlx", "h2", "tower_http", "axum", "oxide_auth"];

/// Starts logging for this process; a second call does nothing.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let filter =
        QUIET.iter().filter_map(|name| format!("{name}=info").parse().ok()).fold(filter, EnvFilter::add_directive);
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
