//! HTTP plumbing that knows nothing of grants: strict forms ([`form`]), client credentials ([`client_auth`]), and the
//! look of errors ([`error`]).

pub mod client_auth;
pub mod error;
pub mod form;
