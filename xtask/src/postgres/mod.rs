//! A private Postgres: the real server, for one run or kept between runs, with nothing for anybody to set up.
//!
//! 1. [`binaries`] finds initdb and postgres; [`install`] gets them where there are none.
//! 2. [`account`] says whom the server runs as: it refuses root, so root steps down.
//! 3. [`place`] chooses folders which that user can enter, and a socket whose path is short enough.
//! 4. [`cluster`] makes the data folder, whole or not at all.
//! 5. [`server`] starts it under a guard, waits until it says that it is ready, and stops it.
//!
//! It listens on a Unix socket in a folder that only its user (and root) can enter: no port, no password, nobody else.

pub mod account;
pub mod binaries;
pub mod cluster;
pub mod install;
pub mod ordered;
pub mod pid_file;
pub mod place;
pub mod server;
pub mod standby;
pub mod throwaway;
pub mod url;

use anyhow::{Context, Result};

pub use place::Place;
pub use server::{Durability, Server};

use crate::checkout::Checkout;
use crate::interrupt::Interrupt;
use crate::progress::Step;
use account::Account;
use binaries::Binaries;

/// The superuser that initdb makes.
pub const SUPERUSER: &str = "postgres";

/// The database that [`start`] makes.
pub const DATABASE: &str = "myapi";

/// Finds or gets the binaries, makes the cluster where there is none, and starts it in `place`.
///
/// # Errors
/// When any of the steps fails; each says what to do about it.
pub fn start(
    checkout: &Checkout,
    account: &Account,
    place: Place,
    durability: Durability,
    interrupt: &Interrupt,
) -> Result<Server> {
    let kept = cluster::find_major(&place.data)?;
    let binaries = match Binaries::find(kept)? {
        Some(binaries) => binaries,
        None => install::install(checkout, account, kept, interrupt)?,
    };
    let step = Step::start("Postgres", "starting");
    server::wait_for_predecessor(&place.data, interrupt)?;
    if kept.is_none() {
        step.now("making a new cluster");
        cluster::create(&binaries, account, &place, interrupt).context("cannot make a Postgres cluster")?;
        step.now("starting");
    }
    let server = Server::start(&binaries, account, place, durability, interrupt)?;
    step.done(&format!("{} ready, from {}", binaries.version()?, binaries.folder().display()));
    Ok(server)
}
