//! The schema's own use cases: bring a database up to date, tell how far it is, make the roles.
//!
//! Steps of `migrate`: roles if asked for (they belong to the cluster, so no migration makes them), then the
//! migrations under an advisory lock, then what needs this binary rather than SQL: the movies API as the first resource
//! server, and canonical addresses for the rows of the application that stood here before.

mod service;
mod store;

pub use service::{AppliedMigration, Migrated, migrate, status};
