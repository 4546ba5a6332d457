//! Housekeeping: partitions are made ahead and dropped behind, ended families and sessions go.
//!
//! Every replica does it, one at a time: the functions that make and drop partitions take a lock of the transaction.
//! Nothing depends on when it runs: a partition that is missing is made up for by the default one (an alert in the
//! log), rows that linger are dead by their end. Dropping gives up within 100 milliseconds where a reader is in the
//! way and tries again the next time, because a drop that waits makes everybody behind it wait.

mod service;
mod store;

pub use service::{Done, Housekeeping};
