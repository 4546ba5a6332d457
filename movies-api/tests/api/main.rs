//! The movies API, through its router on a real Postgres: one database per test.
//!
//! Names begin with the id of the protocol checklist's row that they hold, where there is one.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod at_size;
mod bad_database;
mod bad_networks;
mod bearer;
mod command_line;
mod cors;
mod counts;
mod data_set;
mod decades;
mod docs;
mod dpop;
mod drain;
mod export;
mod health;
mod http_export;
mod import;
mod list_movies;
mod log_reader;
mod methods;
mod metrics;
mod mutations;
mod new_movies;
mod panics;
mod process;
mod rate_limits;
mod readme;
mod reviews;
mod revocations;
mod show_movie;
mod support;
mod traces;
mod tutorial;
mod write_conditions;
mod write_movies;

// The tutorial's room names these by `crate::`, as it would inside the service.
use movies_api::{state, web};
