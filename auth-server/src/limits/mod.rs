//! Limits: how often somebody may fail, decided before anything is hashed and without knowing whether the password is
//! right (CHECKLIST P07 to P10, T18, F13).
//!
//! 1. Every attempt is charged before the work begins, to all counters that it falls under or to none of them. Four
//!    hundred at once get no further than four hundred in a row.
//! 2. A success takes its charge back. Whoever hangs up does not: to the counters that was a failure.
//! 3. A counter forgives at a steady rate. Up to its burst nothing happens; from then on each charge brings a delay of
//!    1 s, 2 s, 4 s and so on, up to the time in which it forgives one. What comes sooner is refused and changes
//!    nothing, so that nobody can push a delay out for somebody else: a limit slows, it never locks.
//! 4. A login falls under four counters: of the account, of the address (IPv6: its /64), of the network around it
//!    (IPv4 /24, IPv6 /48) and of the client. The account's is found by an HMAC of the name, whether anybody has that
//!    name or not.
//! 5. An address (or browser) from which the account was logged in to within 90 days is a device that the account
//!    knows, one of at most 20. It has a counter of its own and falls under no other, so that strangers can fill
//!    everything else without keeping the owner out. Ten failures in 15 minutes make it a stranger again.
//! 6. A client's secret has a counter for the client at one address, and a larger one for the client, which slows only
//!    addresses from which it did not authenticate of late. Secrets are long and random, and checking one is cheap: the
//!    charge follows the failure, and a full counter is asked first.
//!
//! 7. A device that starts to sign in falls under a counter of its address and one of its client. These are hard: what
//!    does not fit is refused, so that no more flows are open than fit into a counter and are forgiven in a flow's life.
//! 8. A user code that a person types falls under counters of their account, of the address and of its network.
//! 9. An authorization request that is pushed for a public client, which proves nothing, falls under a hard counter of its
//!    address: rows are not written as fast as strangers can ask.
//!
//! Counters stand in Postgres, where all replicas see them: 65,536 places for each kind, found by an HMAC under a subkey
//! of the key encryption key, so that a million made-up names make nothing grow; two that meet in one place share it.
//! The table is unlogged. A crash of Postgres or a failover to a standby forgets all counters, and so does another key
//! encryption key; known devices outlive both (under an earlier key that is still configured). A restart or crash of
//! this server forgets nothing, except that attempts which it had begun stay charged.
//!
//! Refresh tokens, sessions and access tokens are never asked for here.

mod devices;
mod gate;
mod keys;
mod model;
mod pushes;
mod secrets;
mod service;
mod store;

pub use gate::Pass;
pub use model::{DeviceId, Limit, LimitError, Origin, Settings, Throttled};
pub use secrets::SecretCheck;
pub use service::{Charge, ChargeError, Limits, Subject};
