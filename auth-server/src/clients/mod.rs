//! Clients: who may ask for tokens, by which grants, for which scopes and audience (RFC 6749 section 2).
//!
//! A confidential client has secrets: 256 random bits each, shown once, of which only a SHA-256 stands in the database.
//! Random secrets need no slow hash, so checking one is no way to keep the server busy. Two are good at one time, the
//! older one until an end that is set when the newer one is made. A `client_id` is never given out twice: a deleted
//! client keeps its row.
//!
//! Or it signs with a key of its own and has no secret at all: then its public keys stand here, or where they are.
//!
//! - `authentication`: the ways in which a client says who it is, and its keys.
//! - `assertion` and `key_sources`: what a client signs, and where the keys for that are read.
//! - `authenticate`: one query for the client and the hashes of its secrets; `known`: or for less, where they are known.
//! - `rules` and `redirect`: what every registration keeps to.
//! - `service`: one client is registered, changed, disabled, deleted, or gets a new secret.
//! - `declared`: all clients at once, from a description of how they are to be.

mod assertion;
mod authenticate;
mod authentication;
mod declared;
mod error;
mod key_sources;
mod known;
mod lifetimes;
mod model;
mod redirect;
mod rules;
mod secret;
mod service;
mod store;

pub use assertion::{ALGORITHMS, ASSERTION_TYPE, Assertion, AssertionError, LEEWAY, LONGEST_LIFE, Used};
pub use authentication::{AuthMethod, Authentication, ClientKeys, ClientKeysError, JwksUri};
pub use declared::{Action, Apply, Change, Declared, FieldChange, Plan};
pub use error::{AuthenticateError, Broken, ClientError};
pub use lifetimes::Lifetimes;
pub use model::{ApplicationType, Client, ClientId, ClientKind, GrantType, NewClient};
pub use secret::{
    ClientSecret, KEEP_OLDER, KEEP_OLDER_LIMIT, KnownSecret, MOST_SECRETS, Presented, Proof, Rotated, SecretHash,
};
pub use service::Clients;
