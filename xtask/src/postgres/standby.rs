//! A streaming standby of a private server, for tests of reading from one and of failovers.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

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
    let mut backup = command(primary.data(), "pg_basebackup")?;
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
    let mut command = command(server.data(), "pg_ctl")?;
    command.args([what, "-D"]).arg(server.data());
    once::must(&command, account.ids, "", interrupt).map(drop)
}

/// A call of a program that lies beside the server's own; the server may be found by a link.
fn command(data: &Path, program: &str) -> Result<Command> {
    let binaries = Binaries::find(find_major(data)?)?.context("the programs of the running server are gone")?;
    let server = fs::canonicalize(binaries.folder().join("postgres")).context("the running server is gone")?;
    let path = server.with_file_name(program);
    Ok(binaries.command(path.to_str().context("the programs' folder is no text")?))
}
