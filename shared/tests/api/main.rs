//! From the outside: settings, layers, and the public half of tokens: keys, sources, the verifier, and refusals on the
//! wire.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod bearer;
mod cache;
mod clocks;
mod config;
mod disk;
mod dpop;
mod feed;
mod heartbeat;
mod keys;
mod layers;
mod libraries;
mod metrics;
mod mutations;
mod pooler;
mod relay;
mod revocations;
mod serve;
mod signed_feed;
mod sources;
mod support;
mod vectors;
