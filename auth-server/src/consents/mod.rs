//! Consents: what a person has allowed a client, so that the same is not asked again.
//!
//! Only confidential clients are remembered: anybody can claim to be a public one (RFC 8252 section 8.6). A request for
//! more than was allowed before is asked about as a whole. Withdrawing a consent ends the refresh tokens that the client
//! has from this person.

mod model;
mod service;
mod store;

pub use model::Consent;
pub use service::Consents;
