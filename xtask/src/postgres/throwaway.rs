//! A fresh cluster for one piece of work: in a folder of its own, so that two runs at once do not meet, and gone after it,
//! whatever happened; its guard removes it if this program is killed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::account::Account;
use super::pid_file::PidFile;
use super::server::is_postgres;
use super::{Durability, Place, SUPERUSER};
use crate::checkout::Checkout;
use crate::folder;
use crate::interrupt::Interrupt;
use crate::lock::{self, Attempt};

/// Does `work` with the URL of a fresh server, and stops it afterwards.
///
/// # Errors
/// When the server cannot be started or stopped, and those of `work`.
pub fn with_server<T>(checkout: &Checkout, interrupt: &Interrupt, work: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    let account = Account::choose()?;
    let (place, _alive) = make_place(checkout, &account)?;
    let server = super::start(checkout, &account, place, Durability::Throwaway, interrupt)?;
    let done = work(&server.url(SUPERUSER))?;
    server.stop()?;
    Ok(done)
}

/// A place for a server of this run, and the lock that says that it is in use.
///
/// # Errors
/// When a folder cannot be made or locked.
pub fn make_place(checkout: &Checkout, account: &Account) -> Result<(Place, Attempt)> {
    let home = checkout.scratch().join("test");
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    remove_leftovers(&home)?;
    let place = Place::throwaway(Some(&home), account)?;
    let alive = lock::attempt(&lock_of(&place))?;
    Ok((place, alive))
}

/// A run holds the lock beside its cluster, so that the next one can tell a living run from what a power cut left.
fn lock_of(place: &Place) -> PathBuf {
    place.data.with_file_name("lock")
}

/// Removes the clusters of runs that are gone.
fn remove_leftovers(home: &Path) -> Result<()> {
    let entries = fs::read_dir(home).with_context(|| format!("cannot read {}", home.display()))?;
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let lock = folder.join("lock");
        // Without a lock it is being made at this moment, or being removed by its guard.
        if !lock.exists() || matches!(lock::attempt(&lock), Ok(Attempt::HeldBy(_))) {
            continue;
        }
        let pid_file = PidFile::find(&folder.join("data"));
        if !pid_file.is_some_and(|file| is_postgres(file.pid)) {
            folder::remove(&folder)?;
        }
    }
    Ok(())
}
