//! The older version: binaries that are there, or a revision that is built for it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::progress::say;
use crate::up::build::{self, Profile, Programs};

/// Which one is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Older<'a> {
    /// The folder of its binaries.
    pub bin_dir: Option<&'a Path>,
    /// Its revision.
    pub revision: Option<&'a str>,
}

impl Older<'_> {
    /// Its binaries: those of the folder; else those of the revision, built in a work tree of its own under the target folder,
    /// which stays for the next time. Without either the revision is the last tag, or, while there is none, the commit before
    /// the newest change of the migrations.
    ///
    /// # Errors
    /// When there are none, or git or the build fails.
    pub fn programs(&self, checkout: &Checkout, interrupt: &Interrupt) -> Result<Programs> {
        if let Some(folder) = self.bin_dir {
            return Programs::at(folder);
        }
        let revision = match self.revision {
            Some(revision) => git(checkout, &["rev-parse", "--verify", &format!("{revision}^{{commit}}")], interrupt)?,
            None => default_revision(checkout, interrupt)?,
        };
        say(&format!("       Older {revision}"));
        let root = checkout.scratch().join("older");
        fs::create_dir_all(checkout.scratch()).context("cannot make a folder for the older version")?;
        let shown = root.display().to_string();
        if root.join(".git").exists() {
            git(checkout, &["-C", &shown, "checkout", "--quiet", "--detach", &revision], interrupt)?;
        } else {
            // It may be registered still where somebody has removed the target folder.
            git(checkout, &["worktree", "add", "--force", "--detach", &shown, &revision], interrupt)?;
        }
        let target = root.join("target");
        build::build(&Checkout { root, target }, Profile::Release, interrupt)
    }
}

fn default_revision(checkout: &Checkout, interrupt: &Interrupt) -> Result<String> {
    let tag = once::run(&command(checkout, &["describe", "--tags", "--abbrev=0"]), None, "", interrupt)?;
    if tag.status.success() {
        return git(checkout, &["rev-parse", &format!("{}^{{commit}}", tag.stdout.trim())], interrupt);
    }
    let newest = ["rev-list", "--first-parent", "--max-count=1", "HEAD", "--", "migrations"];
    let newest = git(checkout, &newest, interrupt)?;
    if newest.is_empty() {
        bail!("no commit changes the migrations: name the older version with --old or --old-bin-dir");
    }
    git(checkout, &["rev-parse", "--verify", &format!("{newest}^")], interrupt)
}

fn git(checkout: &Checkout, args: &[&str], interrupt: &Interrupt) -> Result<String> {
    Ok(once::must(&command(checkout, args), None, "", interrupt)?.trim().to_owned())
}

fn command(checkout: &Checkout, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(&checkout.root).args(args);
    git
}
