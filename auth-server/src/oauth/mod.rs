//! The protocol room: the endpoints of the RFCs, over the domain rooms.

pub mod error;
pub mod introspect;
pub mod metadata;
pub mod own_tokens;
mod request;
pub mod revocation_feed;
pub mod revoke;
mod scope;
pub mod token;
