//! HTTP plumbing that knows nothing of grants: strict forms ([`form`]), client credentials ([`client_auth`]), the
//! client's address ([`client_ip`]), the trail of a request in the audit log ([`trail`]), and the look of errors
//! ([`error`]).

pub mod client_auth;
pub mod client_ip;
pub mod error;
pub mod form;
pub mod trail;
