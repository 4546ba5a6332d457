//! `xtask __postgres`: a throwaway server that stops and starts as its standard input says, for tests of what an outage
//! of the database does to the services.
//!
//! Prints `url: …` when it is ready. An order is a line, and is answered with one:
//!
//! - `fast` and `immediate` stop it as `pg_ctl stop -m` does: `stopped`. `start` starts it on the same data: `ready`.
//! - `standby` starts a streaming standby of it, for which its commits wait from then on: `url: …`, the standby's.
//! - `promote` makes the standby a primary: `promoted`.
//!
//! It ends when its input does.

use std::io::stdin;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::account::Account;
use super::{DATABASE, Durability, Place, Server, standby, throwaway};
use crate::checkout::Checkout;
use crate::interrupt::Interrupt;
use crate::lock::Attempt;
use crate::progress::print;

/// A server, while it runs, and its place.
struct Node {
    server: Option<Server>,
    place: Place,
    _alive: Attempt,
}

/// What all orders need.
struct Keeper<'a> {
    checkout: Checkout,
    account: Account,
    interrupt: &'a Interrupt,
}

/// Obeys until there are no more orders.
///
/// # Errors
/// When the server cannot be started or stopped, or an order is not understood.
pub fn run(interrupt: &Interrupt) -> Result<ExitCode> {
    let keeper = Keeper { checkout: Checkout::find()?, account: Account::choose()?, interrupt };
    let mut primary = keeper.node()?;
    print(&format!("url: {}\n", keeper.start(&mut primary)?));
    let mut standby = None;
    for order in stdin().lines() {
        let order = order.context("cannot read an order")?;
        match order.trim() {
            "fast" => end(&mut primary, Signal::INT)?,
            "immediate" => end(&mut primary, Signal::QUIT)?,
            "start" => {
                keeper.start(&mut primary)?;
                print("ready\n");
            }
            "standby" => {
                let (node, url) = keeper.follow(primary.running()?)?;
                standby = Some(node);
                print(&format!("url: {url}\n"));
            }
            "promote" => {
                let node = standby.as_ref().context("there is no standby")?;
                standby::promote(node.running()?, &keeper.account, interrupt)?;
                print("promoted\n");
            }
            other => bail!("`{other}` is no order: fast, immediate, start, standby, promote"),
        }
    }
    // The standby first: the primary's end waits for it to have everything.
    for node in standby.into_iter().chain([primary]) {
        node.server.map_or(Ok(()), Server::stop)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Keeper<'_> {
    fn node(&self) -> Result<Node> {
        let (place, alive) = throwaway::make_place(&self.checkout, &self.account)?;
        Ok(Node { server: None, place, _alive: alive })
    }

    /// Starts it, and gives its URL. What was committed lasts: a test counts on it. The folders are this program's to
    /// remove, not the server's guard's.
    fn start(&self, node: &mut Node) -> Result<String> {
        let [data, socket, log] = [&node.place.data, &node.place.socket, &node.place.log].map(Clone::clone);
        let same = Place { data, socket, log, remove: Vec::new() };
        let server = super::start(&self.checkout, &self.account, same, Durability::Kept, self.interrupt)?;
        let url = server.url(DATABASE);
        node.server = Some(server);
        Ok(url)
    }

    fn follow(&self, primary: &Server) -> Result<(Node, String)> {
        let mut node = self.node()?;
        standby::copy(primary, &node.place.data, &self.account, self.interrupt)?;
        let url = self.start(&mut node)?;
        standby::wait_for(primary, &self.account, self.interrupt)?;
        Ok((node, url))
    }
}

impl Node {
    fn running(&self) -> Result<&Server> {
        self.server.as_ref().context("the server is stopped")
    }
}

fn end(node: &mut Node, signal: Signal) -> Result<()> {
    node.server.take().context("the server is stopped already")?.end(signal)?;
    print("stopped\n");
    Ok(())
}
