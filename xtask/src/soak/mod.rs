//! `cargo xtask soak`: long trials against the real binaries on a private Postgres, with the figures that a closing note
//! needs. CI runs the same in small, as tests.
//!
//! A new soak is one file with a function of the type `table::Trial` and one line in `table::SOAKS`. Each has a
//! database and a folder of its own; what it measures are `figures::Figure`s, with the bound that each has to keep.
//! Most are tests of CI with more rounds (`ci_tests`). The last result of each is kept in `deploy/soak.json`, by name.

#[cfg(feature = "bench")]
mod bad_networks;
#[cfg(feature = "bench")]
mod ci_tests;
#[cfg(feature = "bench")]
mod client;
#[cfg(feature = "bench")]
mod cost;
#[cfg(feature = "bench")]
mod disk_full;
#[cfg(feature = "bench")]
mod failover;
#[cfg(feature = "bench")]
mod figures;
#[cfg(feature = "bench")]
mod key_rotation;
#[cfg(feature = "bench")]
mod login_flood;
#[cfg(feature = "bench")]
mod million_movies;
#[cfg(feature = "bench")]
mod openapi;
#[cfg(feature = "bench")]
mod partition_drop;
#[cfg(feature = "bench")]
mod postgres_restart;
#[cfg(feature = "bench")]
mod probe;
#[cfg(feature = "bench")]
mod refresh_kill;
#[cfg(feature = "bench")]
mod refresh_races;
#[cfg(feature = "bench")]
mod revocation_delay;
#[cfg(feature = "bench")]
mod run;
#[cfg(feature = "bench")]
mod squeeze;
#[cfg(feature = "bench")]
mod table;
#[cfg(feature = "bench")]
mod two_versions;

#[cfg(not(feature = "bench"))]
pub use crate::bench::rerun::run;
#[cfg(feature = "bench")]
pub use run::run;
