//! Users: who can log in, by which address, with which scopes.
//!
//! A login ([`Users::find_candidate`], then [`Users::authenticate_candidate`]) takes these steps; [`crate::logins`] puts
//! the throttling between the first and the second:
//!
//! 1. Find the row: by the address exactly as it stands, else by its canonical form. The connection goes back.
//! 2. Check the password in the lane; where there is nothing to check (no user, no hash, a disabled user), burn the same
//!    work.
//! 3. Every refusal is one error, and its reason is for the log.
//! 4. A hash that is behind is replaced by a guarded update; that it fails does not fail the login.
//!
//! Addresses (CHECKLIST P15): the canonical form is NFKC, in lower case, without the dot that may end a domain name.
//! Two addresses with one canonical form are one user. Letters of other scripts that merely look alike are other
//! letters. Rows of the old application get their canonical form by [`Users::adopt_addresses`]; where several share
//! one, all of them keep null and log in by their exact spelling only.
//!
//! `sub` is a random UUID that the database gives; it is never changed and never given out again. `user_id` of the
//! old application is not used.

mod authenticate;
mod email;
pub mod export;
pub mod import;
mod model;
mod service;
mod store;

pub use authenticate::{AuthenticateError, Candidate, Refusal};
pub use email::{Email, EmailError};
pub use model::{Clash, Created, Name, NameError, NewUser, User, UserRef};
pub use service::{UserError, Users, adopt_addresses};
