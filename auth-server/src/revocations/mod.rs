//! Revocations: what is dead before its time, and the feed by which resource servers learn of it.
//!
//! A revoked token, session, user, client or key is one row of the feed, written as the last statement of the
//! transaction that kills it, under a lock that makes the order of numbers the order of commits
//! (`myapi.append_revocations`). Whoever reads on from the highest number that it has seen therefore misses nothing.
//! Users and clients die by version: tokens of this version and of older ones. Times are never compared: that misses a
//! token which is minted meanwhile and refuses a new login in the same second.
//!
//! An entry stays until the last token that it kills has expired, and [`MARGIN`] longer.

mod model;
mod service;
mod store;

pub use model::{Entry, LONGEST_ACCESS_TOKEN, MARGIN, Revoked, Snapshot, TokenIds};
pub use service::{append, highest, is_revoked, renew, snapshot};
