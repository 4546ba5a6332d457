//! Pushed authorization requests (RFC 9126): a client sends its request here, and the browser carries a name for it.
//!
//! A `request_uri` is `urn:ietf:params:oauth:request_uri:mpr1_` and base64url of its end (4 bytes, seconds) and 32 secret
//! bytes; the row holds the SHA-256 of those 36 bytes.
//!
//! 1. The client was authenticated and its request found good. The parameters are kept for a minute or so.
//! 2. The authorization endpoint finds them by their name, for the same client, as often as a browser asks while they
//!    live: a reload or a second tab begins the same request again.
//! 3. The first answer to the client consumes the request by one guarded update. A login takes longer than a minute, so
//!    the end counts for the beginning alone; a second answer is refused however it was begun.

mod model;
mod service;
mod store;

pub use model::{PREFIX, RequestUri};
pub use service::{PushError, PushedRequests};
