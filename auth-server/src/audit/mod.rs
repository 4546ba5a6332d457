//! What happened: authentication and administration, recorded so that a later change shows (CHECKLIST O03).
//!
//! 1. The edge begins a [`Trail`] for each request or command. It knows who acts, from where and under which request id,
//!    and learns client and user on the way, where the log's span learns them.
//! 2. Services [`note`] what happened, in one line each. Nothing waits for that: the record goes into a bounded queue.
//! 3. One task of the process takes what is there, adds it to the process's own chain of hashes (`chain`) and inserts it,
//!    many records with one statement. While the database is away it keeps what it has and tries again. What the queue has
//!    no place for, and what the database refuses, is counted, told in the log, and recorded itself as soon as that is
//!    possible (`audit_lost`).
//! 4. Every few minutes, and at its end, a server signs how far every chain has come (`checkpoint`), its own and those of
//!    other processes and of commands.
//! 5. Rows lie in weekly partitions and go with them; an anchor keeps where a chain goes on.
//! 6. [`verify`] reads it all and names what was edited, taken out, moved or cut off.
//!
//! No record holds an e-mail address, a password, a token or another secret: users are named by `sub`, and a name that
//! nobody has is not recorded.

mod actor;
mod chain;
mod checkpoint;
mod kind;
mod model;
mod proof;
mod queue;
mod service;
mod store;
mod trail;
mod verify;
mod writer;

pub use checkpoint::Witness;
pub use kind::Kind;
pub use model::{Event, Filter, Outcome, Row};
pub(crate) use proof::TYPE as CHECKPOINT_TYPE;
pub use queue::{Audit, Counts};
pub use service::{Page, for_each, list};
pub use trail::{Trail, note, note_address, note_client, note_subject};
pub use verify::{Finding, Verified, VerifyError, verify};
