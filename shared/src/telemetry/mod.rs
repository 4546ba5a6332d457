//! Logs: one line an event on stderr, pretty on a terminal, else JSON with UTC times (RFC 3339).
//!
//! `RUST_LOG` filters; without it servers log from `info`, commands from `warn`. Crates below us stay at `info` whatever
//! it says: at `trace` some of them print what clients sent.
//!
//! JSON lines go through a bounded queue to a thread of their own: whoever reads them may stop reading without holding up
//! a request. Lines that find the queue full are dropped and counted ([`dropped_lines`]).

mod lines;
mod time;

use std::env::{self, VarError};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry};

use lines::{Lines, Members};

/// Crates whose debug and trace lines are written with the rule in mind that nothing secret stands in them.
const OURS: [&str; 3] = ["auth_server", "movies_api", "shared"];
/// "already exists, skipping" is no news.
const NOTICES: &str = "sqlx::postgres::notice";

/// The variable that filters.
const FILTER: &str = "RUST_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Lines that wait for a slow reader at most: some 4 MB.
const QUEUED_LINES: usize = 8192;

/// How long a line may wait for others.
const REST: Duration = Duration::from_millis(10);

/// The thread that writes; none before [`init`], on a terminal, and after [`flush`].
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Starts logging for this process, at `level` where `RUST_LOG` says nothing; a second call does nothing. Whoever calls it
/// calls [`flush`] before the process ends.
pub fn init(level: Level) {
    let (filter, mistake) = filter(level);
    let lines = if io::stderr().is_terminal() {
        let has_colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        fmt::layer().with_writer(io::stderr).with_ansi(has_colour).with_target(false).boxed()
    } else {
        fmt::layer().with_writer(writer()).fmt_fields(Members).event_format(Lines).boxed()
    };
    // Tests start it more than once.
    drop(registry().with(filter).with(filter_fn(is_allowed)).with(lines).try_init());
    if let Some(mistake) = mistake {
        // As an error, because some commands log nothing else, and a filter that filters too much is silent.
        tracing::error!("{FILTER} {mistake}");
    }
}

/// Writes what is still queued; gives up after a second, should nobody read. What is logged after it is lost.
pub fn flush() {
    let dropped = dropped_lines();
    if dropped > 0 {
        tracing::warn!(log.dropped = dropped, "log lines were dropped, because nobody read them in time");
    }
    // The guard's end is what flushes.
    drop(WRITER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// How many lines were dropped since the start, because the queue was full.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| u64::try_from(counter.dropped_lines()).unwrap_or(u64::MAX))
}

/// The queue to stderr. Buffered: what is queued together is written by one system call.
fn writer() -> NonBlocking {
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED_LINES).thread_name("log");
    let (writer, guard) = queue.finish(Paced(BufWriter::with_capacity(64 * 1024, io::stderr())));
    // The first one stays where tests start it more than once: it is the one that the subscriber writes to.
    WRITER.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(guard);
    drop(DROPPED.set(writer.error_counter()));
    writer
}

/// Rests after each flush, so that a busy service wakes the writing thread for some lines together and not for each.
struct Paced(BufWriter<io::Stderr>);

impl Write for Paced {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.0.flush();
        thread::sleep(REST);
        flushed
    }
}

/// What decides which lines are written.
type Filter = Box<dyn Layer<Registry> + Send + Sync>;

/// The filter, and what is wrong with the one that was asked for. One that names no spans and fields is the simple kind:
/// the other asks a table under a lock each time a request goes on.
fn filter(level: Level) -> (Filter, Option<String>) {
    let default = || Targets::new().with_default(level).boxed();
    match env::var(FILTER) {
        Err(VarError::NotPresent) => (default(), None),
        Err(VarError::NotUnicode(_)) => (default(), Some("is not text: it is left out".to_owned())),
        Ok(text) if text.trim().is_empty() => (default(), None),
        Ok(text) => match EnvFilter::builder().parse(&text) {
            Ok(filter) => (simple(&text).map_or_else(|| filter.boxed(), Targets::boxed), misspelt(&text)),
            Err(error) => (default(), Some(format!("is `{text}`, which is no filter: {error}; it is left out"))),
        },
    }
}

/// The same for levels of modules alone.
fn simple(text: &str) -> Option<Targets> {
    let has_more = text.contains(|c: char| c == '[' || c.is_whitespace());
    if has_more { None } else { text.parse().ok() }
}

/// A level that is misspelt reads as the name of a module, of which nothing is ever logged.
fn misspelt(text: &str) -> Option<String> {
    let words = text.split(',').map(str::trim).filter(|word| word.len() > 3 && !word.contains(['=', ':', '[']));
    words.filter(|word| !LEVELS.contains(&word.to_ascii_lowercase().as_str())).find_map(|word| {
        let is_near = |level: &&str| strsim::damerau_levenshtein(&word.to_ascii_lowercase(), level) <= 2;
        let level = LEVELS.into_iter().filter(|level| level.len() > 3).find(is_near)?;
        Some(format!("names the module `{word}`; did you mean the level `{level}`?"))
    })
}

/// A filter of its own rather than more directives: a directive of `RUST_LOG` for a module or a span would win over them.
fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let most = if metadata.target() == NOTICES { Level::WARN } else { Level::INFO };
    *metadata.level() <= most || metadata.target().split("::").next().is_some_and(|name| OURS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::misspelt;

    #[test]
    fn a_misspelt_level_is_noticed_and_a_module_is_not() {
        for (text, level) in [("inof", "info"), ("sqlx=warn, wran", "warn"), ("DEBG", "debug"), ("eror", "error")] {
            assert!(misspelt(text).is_some_and(|mistake| mistake.contains(level)), "{text}");
        }
        for text in
            ["info", "WARN", "hyper", "auth_server", "sqlx=debug", "off", "[request]=info", "shared::token", "0"]
        {
            assert_eq!(misspelt(text), None, "{text}");
        }
    }
}
