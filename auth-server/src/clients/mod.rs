//! Clients: who may ask for tokens, by which grants, for which scopes and audience (RFC 6749 section 2).
//!
//! A confidential client has secrets: 256 random bits each, shown once, of which only a SHA-256 stands in the database.
//! Random secrets need no slow hash, so checking one is no way to keep the server busy. A `client_id` is never given out
//! twice: a deleted client keeps its row.

mod model;
mod service;
mod store;

pub use model::{
    ApplicationType, Client, ClientId, ClientKind, ClientSecret, GrantType, Lifetimes, NewClient, Presented,
};
pub use service::{AuthenticateError, ClientError, Clients};
