//! All clients at once, as a description says that they are to be.
//!
//! 1. One transaction locks the registry: two applications at once come one after the other.
//! 2. `plan` compares what is with what is to be, field by field. Nothing different is nothing to do.
//! 3. The changes are made, clients that are not described are deleted where that was asked for, and whatever died is
//!    appended to the revocation feed last. A rule that one client breaks undoes all of it.

mod apply;
mod plan;

use super::model::NewClient;
use super::secret::SecretHash;

pub use plan::{Action, Change, FieldChange, Plan};

/// One client as it is to be.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its registration.
    pub new: NewClient,
    /// Whether it is disabled; `None` leaves that as it is, so that applying a file never undoes what an operator did in
    /// an emergency.
    pub disabled: Option<bool>,
    /// Its secrets, by their hashes; `None` leaves them as they are, and a new confidential client gets one.
    pub secret_hashes: Option<Vec<SecretHash>>,
}

/// How a description is applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apply {
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Delete clients that are not described.
    pub prune: bool,
}
