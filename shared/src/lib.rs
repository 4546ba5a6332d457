//! What both services, or the next resource server, need unchanged: settings, the database's door, clock, logs, the
//! serving loop, and the public half of tokens. Private keys, hashing and a feature's SQL never live here.

pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod files;
pub mod http;
pub mod metrics;
pub mod output;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod traces;
