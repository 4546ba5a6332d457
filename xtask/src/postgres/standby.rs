//! A streaming standby of a private server, for tests of reading from one and of failovers.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::account::Account;
use super::binaries::Binaries;
use super::cluster::find_major;
use super::{SUPERUSER, Server, url};
use crate::interrupt::Interrupt;
use crate::process::once;

/// Copies the running `primary` into `data`, as a standby that streams from it.
///
/// # Errors
/// When `pg_basebackup` is missing or fails.
pub fn copy(primary: &Server, data: &Path, account: &Account, interrupt: &Interrupt) -> Result<()> {
    let mut backup = binaries_of(primary.data())?.command("pg_basebackup");
    backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--no-password", "-U", SUPERUSER]);
    backup.args(["-p", &url::PORT.to_string(), "-h"]).arg(primary.socket()).arg("-D").arg(data);
    once::must(&backup, account.ids, "", interrupt).map(drop)
}

/// From now on a commit on the running `primary` waits until a standby has it.
///
/// # Errors
/// When its settings cannot be changed.
pub fn wait_for(primary: &Server, account: &Account, interrupt: &Interrupt) -> Result<()> {
    let file = primary.data().join("postgresql.auto.conf");
    let open = OpenOptions::new().append(true).open(&file);
    open.and_then(|mut file| writeln!(file, "synchronous_standby_names = '*'"))
        .with_context(|| format!("cannot write {}", file.display()))?;
    pg_ctl(primary, "reload", account, interrupt)
}

/// Makes a standby a primary, and comes back when it is one.
///
/// # Errors
/// When it does not become one.
pub fn promote(standby: &Server, account: &Account, interrupt: &Interrupt) -> Result<()> {
    pg_ctl(standby, "promote", account, interrupt)
}

fn pg_ctl(server: &Server, what: &str, account: &Account, interrupt: &Interrupt) -> Result<()> {
    let mut command = binaries_of(server.data())?.command("pg_ctl");
    command.args([what, "-D"]).arg(server.data());
    once::must(&command, account.ids, "", interrupt).map(drop)
}

fn binaries_of(data: &Path) -> Result<Binaries> {
    Binaries::find(find_major(data)?)?.context("the programs of the running server are gone")
}
