//! The protocol room: the endpoints of the RFCs, over the domain rooms.

pub mod error;
pub mod metadata;
pub mod token;
