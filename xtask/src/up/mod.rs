//! `cargo xtask up`: the pair, running, from nothing.
//!
//! 1. Choose the database: a private one, or the one that `MYAPI_DATABASE__DEV` names ([`database`]).
//! 2. Take the lock and look at the ports, before anything costly ([`addresses`]).
//! 3. Build both binaries ([`build`]), or take them from `--bin-dir`.
//! 4. Start Postgres.
//! 5. Migrate, make keys, load demo data, by the binaries' own command lines ([`provision`]).
//! 6. Start both services and wait until they are ready ([`serve`]).
//! 7. Show the [`banner`]; show warnings until Ctrl-C; stop everything in reverse order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::cli::Up;
use crate::environment::Environment;
use crate::folder;
use crate::interrupt::Interrupt;
use crate::lock::{self, Attempt, Lock};
use crate::postgres::account::Account;
use crate::postgres::{self, DATABASE, Durability, Place, Server};
use crate::progress::{print, say};
use addresses::Addresses;
use build::{Profile, Programs};
use database::{Database, Given};
use serve::Running;
use services::Services;

pub mod addresses;
mod banner;
pub mod build;
mod database;
mod http;
mod logs;
pub mod provision;
pub mod serve;
pub mod services;

/// Brings the pair up and keeps it until Ctrl-C, which is its way to succeed.
///
/// # Errors
/// Whatever keeps the pair from running, with what to do about it.
pub fn run(options: &Up, interrupt: &Interrupt) -> Result<ExitCode> {
    let environment = Environment::read()?;
    services::refuse_conflicts("up", &environment)?;
    let database = Database::choose(&environment, options)?;
    if let Database::Given(given) = &database
        && !is_agreed(given, options)
    {
        return Ok(ExitCode::FAILURE);
    }
    let addresses = Addresses::read(&environment)?;
    let checkout = Checkout::find()?;
    let _lock = take_lock(&checkout)?;
    addresses.check_free()?;
    let account = Account::choose()?;
    if options.reset {
        reset(&checkout, &account, interrupt)?;
    }
    let programs = match &options.bin_dir {
        Some(folder) => Programs::at(folder)?,
        None => build::build(&checkout, if options.release { Profile::Release } else { Profile::Dev }, interrupt)?,
    };
    let ground = Ground::prepare(&checkout, &account, &database, options, interrupt)?;
    let url = ground.url.clone();
    let services = Services::new(programs, &environment, addresses, url.clone(), &ground.home);
    let demo = options.demo || matches!(database, Database::Private);
    let made = provision::provision(&checkout, services, demo, interrupt)?;
    let data = ground.server.as_ref().map(|server| checkout.shown(server.data()));
    let private = data.as_deref().map(|data| banner::Private { url: &url, data, is_kept: !options.ephemeral });
    let running = serve::start(&made.services, &ground.home, ground.server, interrupt)?;
    print(&banner::banner(&banner::Facts {
        addresses,
        password: made.password.as_deref(),
        secret: made.secret.as_deref(),
        has_demo: demo,
        home: &checkout.shown(&ground.home),
        private,
    }));
    keep(running, interrupt)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what would happen to somebody's own database, and whether they agreed to it.
fn is_agreed(given: &Given, options: &Up) -> bool {
    say(&format!("    Database {given}, from {}", database::SETTING));
    if !options.yes {
        let demo = if options.demo { " and get demo data" } else { "" };
        say(&format!(
            "             would get the tables of this version (`auth-server migrate`), a signing key{demo}."
        ));
        say("             Nothing was done. With --yes it is.");
    }
    options.yes
}

fn keep(mut running: Running, interrupt: &Interrupt) -> Result<()> {
    running.watch(interrupt)?;
    say("");
    say("    Stopping");
    running.stop()
}

/// What the services stand on.
struct Ground {
    /// The folder of this run's secrets and logs.
    home: PathBuf,
    /// The database's URL.
    url: String,
    /// The server, if it is this program's own.
    server: Option<Server>,
}

impl Ground {
    fn prepare(
        checkout: &Checkout,
        account: &Account,
        database: &Database,
        options: &Up,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let given = match database {
            Database::Given(given) => given,
            Database::Private => {
                return Self::private(checkout, account, options.ephemeral, interrupt);
            }
        };
        // `--reset` never touches it: it may hold the only key that opens the signing keys in that database.
        let home = checkout.scratch().join("databases").join(given.folder_name());
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        Ok(Self { home, url: given.url.clone(), server: None })
    }

    fn private(checkout: &Checkout, account: &Account, is_ephemeral: bool, interrupt: &Interrupt) -> Result<Self> {
        let (home, place, durability) = if is_ephemeral {
            let mut place = Place::throwaway(None, account)?;
            let home = folder::create_private(&std::env::temp_dir(), None)?;
            // The secrets go with the data.
            place.remove.push(home.clone());
            (home, place, Durability::Throwaway)
        } else {
            let home = kept_home(checkout);
            let place = Place::kept(&home, account)?;
            (home, place, Durability::Kept)
        };
        let server = postgres::start(checkout, account, place, durability, interrupt)?;
        Ok(Self { home, url: server.url(DATABASE), server: Some(server) })
    }
}

fn take_lock(checkout: &Checkout) -> Result<Lock> {
    let home = kept_home(checkout);
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    match lock::attempt(&checkout.scratch().join("up.lock"))? {
        Attempt::Locked(lock) => Ok(lock),
        Attempt::HeldBy(holder) => {
            let who = holder.map_or_else(String::new, |pid| format!(" (process {pid})"));
            bail!(
                "`cargo xtask up` is running in this checkout already{who}: stop it first, with Ctrl-C where it runs{}",
                holder.map_or_else(String::new, |pid| format!(" or `kill {pid}`"))
            )
        }
    }
}

fn kept_home(checkout: &Checkout) -> PathBuf {
    checkout.scratch().join("up")
}

fn reset(checkout: &Checkout, account: &Account, interrupt: &Interrupt) -> Result<()> {
    let home = kept_home(checkout);
    Place::delete_kept(&home, account, interrupt)?;
    folder::remove(&home)?;
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    say(&format!("       Reset {} is empty", checkout.shown(&home)));
    Ok(())
}

/// The file of a service's log in `home`.
fn log_file(home: &Path, program: &str) -> PathBuf {
    home.join(format!("{program}.log"))
}
