//! Browser sessions: who is logged in, in which browser.
//!
//! The cookie holds `mss1_` and 256 random bits; the row holds their SHA-256. A login always makes a new session with a
//! new secret, so that a cookie from before it is worth nothing (no session fixation). A session is alive until it was
//! not used for the idle time, until its absolute end, until a logout, and as long as its user has the version of the
//! login: a new password, a disabled or deleted user ends it.
//!
//! Ending a session ends the families of refresh tokens that came from it, in one transaction.

mod model;
mod service;
mod store;

pub use model::{Listed, Session, SessionSettings, SessionToken, Signed};
pub use service::{SessionError, Sessions};
