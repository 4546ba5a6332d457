//! Resource servers: what tokens can be for. Each has an audience (RFC 8707) and scopes; a new service beside movies
//! needs rows here, not code.

mod model;
mod service;
mod store;

pub use model::{Catalogue, NewScope, ResourceServer};
pub use service::{ResourceServerError, ResourceServers};
