//! Logs: one line an event on stderr, pretty on a terminal, else JSON with UTC times (RFC 3339).
//!
//! `RUST_LOG` filters; without it servers log from `info`, commands from `warn`. Crates below us stay at `info` whatever
//! it says: at `trace` some of them print what clients sent.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

/// Crates whose debug and trace lines are written with the rule in mind that nothing secret stands in them.
const OURS: [&str; 3] = ["auth_server", "movies_api", "shared"];
/// "already exists, skipping" is no news.
const NOTICES: &str = "sqlx::postgres::notice";

/// Starts logging for this process, at `level` where `RUST_LOG` says nothing; a second call does nothing.
pub fn init(level: Level) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.as_str()));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if std::io::stderr().is_terminal() {
        let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        lines.with_ansi(has_colour).with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    };
    // Tests start it more than once.
    drop(registry().with(filter).with(filter_fn(is_allowed)).with(lines).try_init());
}

/// A filter of its own rather than more directives: a directive of `RUST_LOG` for a module or a span would win over them.
fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let most = if metadata.target() == NOTICES { Level::WARN } else { Level::INFO };
    *metadata.level() <= most || metadata.target().split("::").next().is_some_and(|name| OURS.contains(&name))
}
