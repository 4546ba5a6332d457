//! The protocol room: the endpoints of the RFCs, over the domain rooms.

pub mod error;
pub mod metadata;
mod scope;
pub mod token;
