//! HTTP plumbing that no room owns.

pub mod body;
pub mod conditional;
pub mod query;
pub mod refusals;
