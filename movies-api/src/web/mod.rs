//! HTTP plumbing that no room owns.

pub mod body;
pub mod conditional;
pub mod cors;
pub mod fields;
pub mod protected;
pub mod query;
pub mod refusals;
