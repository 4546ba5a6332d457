//! What a `request_uri` is.

use crate::opaque::{Kind, Opaque};

/// What every `request_uri` of a pushed request begins with (RFC 9126 section 2.2).
pub const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The kind of [`RequestUri`].
#[derive(Debug)]
pub enum PushedRequest {}

impl Kind for PushedRequest {
    const NAME: &'static str = "request_uri";
    const PREFIX: &'static str = "urn:ietf:params:oauth:request_uri:mpr1_";
}

/// The name of a pushed request, given to the client once.
pub type RequestUri = Opaque<PushedRequest>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_request_uri() {
        assert!(PushedRequest::PREFIX.starts_with(PREFIX));
    }
}
