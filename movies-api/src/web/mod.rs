//! HTTP plumbing that no room owns.

pub mod query;
pub mod refusals;
