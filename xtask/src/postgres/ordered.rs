//! `xtask __postgres`: a throwaway server that stops and starts as its standard input says, for tests of what an outage
//! of the database does to the services.
//!
//! Prints `url: …` when it is ready. An order is a line: `fast` and `immediate` stop it as `pg_ctl stop -m` does, `start`
//! starts it on the same data; each is answered with a line, `stopped` or `ready`. It ends when its input does.

use std::io::stdin;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::account::Account;
use super::{DATABASE, Durability, Place, Server, throwaway};
use crate::checkout::Checkout;
use crate::interrupt::Interrupt;
use crate::progress::print;

/// Obeys until there are no more orders.
///
/// # Errors
/// When the server cannot be started or stopped, or an order is not understood.
pub fn run(interrupt: &Interrupt) -> Result<ExitCode> {
    let checkout = Checkout::find()?;
    let account = Account::choose()?;
    let (place, _alive) = throwaway::make_place(&checkout, &account)?;
    // What was committed lasts: a test counts on it. The folders are this program's to remove, not the server's guard's.
    let start = || {
        let [data, socket, log] = [&place.data, &place.socket, &place.log].map(Clone::clone);
        let same = Place { data, socket, log, remove: Vec::new() };
        super::start(&checkout, &account, same, Durability::Kept, interrupt)
    };
    let first = start()?;
    print(&format!("url: {}\n", first.url(DATABASE)));
    let mut server = Some(first);
    for order in stdin().lines() {
        let order = order.context("cannot read an order")?;
        match order.trim() {
            "fast" => end(server.take(), Signal::INT)?,
            "immediate" => end(server.take(), Signal::QUIT)?,
            "start" => {
                server = Some(start()?);
                print("ready\n");
            }
            other => bail!("`{other}` is no order: fast, immediate, start"),
        }
    }
    server.map_or(Ok(()), Server::stop)?;
    Ok(ExitCode::SUCCESS)
}

fn end(server: Option<Server>, signal: Signal) -> Result<()> {
    server.context("the server is stopped already")?.end(signal)?;
    print("stopped\n");
    Ok(())
}
