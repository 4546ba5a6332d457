//! The protocol room: the endpoints of the RFCs, over the domain rooms.

pub mod authorize;
pub mod device;
mod dpop;
pub mod error;
pub(crate) mod id_token;
pub mod introspect;
pub mod metadata;
pub mod own_tokens;
pub mod par;
pub mod pkce;
mod request;
pub mod resource_server_report;
pub mod revocation_feed;
pub mod revoke;
pub(crate) mod scope;
pub(crate) mod target;
pub mod token;
pub(crate) mod userinfo;
