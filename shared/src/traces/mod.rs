//! Traces: what a request did and how long each part took, by OTLP to a collector of the operator's (OpenTelemetry), behind
//! the feature `otlp`. Without it this room is empty types, and whoever sets `MYAPI_OTLP__ENDPOINT` is told so.
//!
//! 1. [`start`] makes the exporter where an endpoint is set. Until then everything below does nothing.
//! 2. [`ServerSpan`] is one request: a child of the `traceparent` that came with it (W3C Trace Context), else the begin of a
//!    trace, of which a ratio is recorded. [`Child`] is a part of it: a connection that is held, a hash.
//! 3. [`Outgoing`] is one of our own requests, which carries the context on; [`carry`] takes it along into a task.
//! 4. What has ended waits in a bounded queue and is sent in batches by a thread of its own. What finds the queue full is
//!    lost; a collector that does not answer is in the log once in five minutes and costs requests nothing.
//! 5. [`stop`] sends what is left, for three seconds at most.
//!
//! Attributes are listed here one by one, by the semantic conventions: no query, no header, nothing of a body. The spans of
//! [`tracing`] are not what is exported, because a library's fields would be, and because each line of the log has the one
//! span that is current: children would take the request's id off the lines.

mod settings;

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp")]
use otlp as built;

#[cfg(not(feature = "otlp"))]
mod off;
#[cfg(not(feature = "otlp"))]
use off as built;

pub use built::{Child, Outgoing, ServerSpan, carry, child, start, stop};
pub use settings::{OTEL_ENDPOINT, SETTINGS, StartError, TracesConfig};

/// The names of a span, as `traceparent` writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The trace: 32 hexadecimal digits.
    pub trace: String,
    /// The span: 16 hexadecimal digits.
    pub span: String,
}

/// A part of a request that has a span of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From the wish for a connection to Postgres until it is given back.
    Database,
    /// A password's way through the lane: waiting and hashing.
    PasswordHash,
}

/// Why a request of our own is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For something that happens now and then; without a request that it is made for it begins a trace.
    Errand,
    /// It comes again within the second: its context is passed on, and says that nobody records it.
    Poll,
}
