//! Makes a data folder.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::account::Account;
use super::binaries::Binaries;
use super::{DATABASE, Place, SUPERUSER};
use crate::folder;
use crate::interrupt::Interrupt;
use crate::process::once;

/// The major version of the cluster in `data`, if there is one.
///
/// # Errors
/// When the folder is there but is no cluster.
pub fn find_major(data: &Path) -> Result<Option<u32>> {
    let file = data.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse().map(Some).with_context(|| format!("{} is not a version", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound && !data.exists() => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {} (--reset starts over)", file.display())),
    }
}

/// Makes the cluster and its database under another name and then renames it: a run that dies meanwhile leaves nothing
/// that looks like a cluster.
///
/// Everybody who reaches the socket is trusted; its folder lets in nobody else. Nothing is flushed to disk here: what
/// must last is flushed by the server itself at its first checkpoint.
///
/// # Errors
/// When initdb or the first, single-user run of the server fails.
pub fn create(binaries: &Binaries, account: &Account, place: &Place, interrupt: &Interrupt) -> Result<()> {
    let draft = place.data.with_extension("tmp");
    folder::remove(&draft)?;
    let mut initdb = binaries.command("initdb");
    initdb.args(["--no-sync", "-E", "UTF8", "--no-locale", "-A", "trust", "-U", SUPERUSER, "-D"]).arg(&draft);
    once::must(&initdb, account.ids, "", interrupt)?;

    // Single-user mode needs no client program, and some installations have none.
    let mut single = binaries.command("postgres");
    single.args(["--single", "-F", "-c", "log_checkpoints=off", "-D"]).arg(&draft).arg("postgres");
    let finished = once::run(&single, account.ids, &format!("create database {DATABASE};\n"), interrupt)?;
    // It answers 0 even when the statement failed.
    if !finished.status.success() || finished.stderr.contains("ERROR:") {
        bail!("cannot create the database {DATABASE}:\n{}", finished.stderr.trim_end());
    }
    fs::rename(&draft, &place.data).with_context(|| format!("cannot make {}", place.data.display()))
}
