//! What tests of any resource server need: keys, tokens good and bad ([`mutations`]), an issuer's key endpoint that
//! misbehaves on demand, a proxy that cuts or stalls connections, requests that no client library would send ([`raw`]),
//! the tables of the README ([`readme`]), figures for soaks ([`figures`]), and the look of a command line.
//!
//! Behind the feature `testing`, so that no shipped binary can sign anything. What fails here panics: a broken
//! fixture is a broken test.

#![expect(clippy::expect_used, reason = "a fixture that fails must fail the test")]

#[cfg(feature = "otlp")]
mod collector;
mod command_line;
pub mod commands;
pub mod documented;
pub mod figures;
mod issuer;
mod key_server;
pub mod mutations;
mod pooler;
mod proxy;
pub mod raw;
pub mod readme;

#[cfg(feature = "otlp")]
pub use collector::{Collector, Received};
pub use command_line::faults_in_help;
pub use issuer::{TestIssuer, TokenBuilder};
pub use key_server::{Answer, KeyServer};
pub use pooler::{Statements, TransactionPooler};
pub use proxy::{AtCommit, Proxy, Upstream};
