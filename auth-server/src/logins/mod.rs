//! Logins: users and clients prove who they are, each within its limits. Whatever takes a password or a client's secret
//! from a stranger comes through here, so that all of it shares the same counters (CHECKLIST A30).
//!
//! A user's login:
//!
//! 0. Where the lane would have no place for this address, that is the answer: a flood does not reach the database.
//! 1. The name is looked up; what is found is not shown to anybody yet.
//! 2. The attempt is charged to its counters ([`crate::limits`]), or refused before anything is hashed.
//! 3. The password lane checks the password, fair for each address.
//! 4. A success takes the charge back and makes the device known to the account. Where the lane had no place, nothing
//!    was guessed, and the charge is taken back too. Everything else stays charged, a caller that hung up included.
//!
//! A client with a secret: its counters are asked, the secret is checked, and a failure is charged.

mod clients;
mod users;

use shared::clock::Clock;

use crate::clients::Clients;
use crate::limits::Limits;
use crate::users::Users;

pub use clients::ClientAuthenticateError;
pub use users::{Attempt, AuthenticateError};

/// The room's service. Clones share everything.
#[derive(Clone)]
pub struct Logins {
    users: Users,
    clients: Clients,
    limits: Limits,
    clock: Clock,
}

impl Logins {
    /// Logins of these users and clients within these limits.
    #[must_use]
    pub const fn new(users: Users, clients: Clients, limits: Limits, clock: Clock) -> Self {
        Self { users, clients, limits, clock }
    }
}
