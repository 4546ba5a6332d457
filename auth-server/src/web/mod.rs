//! HTTP plumbing that knows nothing of grants: strict forms ([`form`]), client credentials ([`client_auth`]), the
//! client's address ([`client_ip`]), the trail of a request in the audit log ([`trail`]), the look of errors ([`error`]),
//! and what keeps a browser safe: cookies ([`cookies`]), values that come back as they were given out ([`seal`]), and the
//! proof that a form is our own page's ([`csrf`]).

pub mod client_auth;
pub mod client_ip;
pub mod cookies;
pub mod csrf;
pub mod error;
pub mod form;
pub mod seal;
pub mod trail;
