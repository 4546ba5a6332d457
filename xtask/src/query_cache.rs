//! `cargo xtask query-cache`: writes `.sqlx`, the answers that sqlx's macros compile against, or checks them.
//!
//! 1. Start a fresh throwaway Postgres and apply `migrations/` with psql: the services cannot do it, because they may
//!    not compile until the cache is there.
//! 2. Check the workspace against it, every target, with the cache going into an empty folder. The crates' roots are
//!    touched first, so that every macro is expanded again. No query hides behind a feature.
//! 3. Put the folder in the place of `.sqlx`, or compare the two file by file (sqlx never deletes a stale one).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::cli::QueryCache;
use crate::interrupt::Interrupt;
use crate::postgres::binaries::Binaries;
use crate::postgres::throwaway;
use crate::process::once;
use crate::progress::{Step, say};

/// Crates with queries; their roots are what cargo looks at to see that something changed.
const ROOTS: [&str; 4] =
    ["shared/src/lib.rs", "auth-server/src/lib.rs", "movies-api/src/lib.rs", "movies-api/src/main.rs"];

/// The tutorial's migrations: its rooms are compiled with the tests, until somebody adds them for real.
const EXAMPLES: [&str; 2] =
    ["movies-api/tests/api/decades/migration.sql", "movies-api/tests/api/reviews/migration.sql"];

/// Writes or checks the cache.
///
/// # Errors
/// When Postgres or cargo fails; with `--check` also when the cache is stale.
pub fn run(options: &QueryCache, interrupt: &Interrupt) -> Result<ExitCode> {
    let checkout = Checkout::find()?;
    let fresh = checkout.scratch().join("query-cache");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    }
    fs::create_dir_all(&fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
    throwaway::with_server(&checkout, interrupt, |url| {
        migrate(&checkout, url, interrupt)?;
        expand(&checkout, url, &fresh, interrupt)
    })?;
    let kept = checkout.root.join(".sqlx");
    if options.check { compare(&kept, &fresh) } else { replace(&kept, &fresh) }
}

fn migrate(checkout: &Checkout, url: &str, interrupt: &Interrupt) -> Result<()> {
    let folder = checkout.root.join("migrations");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut psql = psql()?;
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--dbname", url]);
    files.extend(EXAMPLES.iter().map(|file| checkout.root.join(file)).filter(|file| file.is_file()));
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sql")) {
        psql.arg("--file").arg(file);
    }
    once::must(&psql, None, "", interrupt).context("cannot apply the migrations")?;
    Ok(())
}

fn psql() -> Result<Command> {
    match Binaries::find(None)? {
        Some(binaries) if binaries.folder().join("psql").is_file() => Ok(binaries.command("psql")),
        _ => Ok(Command::new("psql")),
    }
}

fn expand(checkout: &Checkout, url: &str, fresh: &Path, interrupt: &Interrupt) -> Result<()> {
    for root in ROOTS {
        touch(&checkout.root.join(root))?;
    }
    let mut cargo = checkout.cargo();
    cargo.args(["check", "--workspace", "--all-targets", "--quiet"]);
    cargo.envs([("DATABASE_URL", url), ("SQLX_OFFLINE", "false")]).env("SQLX_OFFLINE_DIR", fresh);
    let step = Step::start("Queries", "checking the workspace against a fresh database");
    once::must(&cargo, None, "", interrupt).context("the workspace does not compile against a fresh database")?;
    step.done(&format!("{} are well-formed", read(fresh)?.len()));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a file's time is the system's, not a request's")]
fn touch(path: &Path) -> Result<()> {
    let file = fs::OpenOptions::new().append(true).open(path);
    let touched = file.and_then(|file| file.set_modified(std::time::SystemTime::now()));
    touched.with_context(|| format!("cannot touch {}", path.display()))
}

fn read(folder: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let read = |entry: fs::DirEntry| Ok((entry.file_name(), fs::read(entry.path())?));
    entries.flatten().map(read).collect::<Result<_, std::io::Error>>().context("cannot read the query cache")
}

fn compare(kept: &Path, fresh: &Path) -> Result<ExitCode> {
    let (kept, fresh) = (read(kept).unwrap_or_default(), read(fresh)?);
    let missing = fresh.iter().filter(|(name, text)| kept.get(*name) != Some(text)).count();
    let stale = kept.keys().filter(|name| !fresh.contains_key(*name)).count();
    if missing + stale > 0 {
        bail!("the query cache lacks {missing} and has {stale} stale: run `cargo xtask query-cache` and commit .sqlx");
    }
    say(&format!("    Queries the cache is fresh, {} queries", fresh.len()));
    Ok(ExitCode::SUCCESS)
}

fn replace(kept: &Path, fresh: &Path) -> Result<ExitCode> {
    if kept.exists() {
        fs::remove_dir_all(kept).with_context(|| format!("cannot remove {}", kept.display()))?;
    }
    fs::create_dir_all(kept).with_context(|| format!("cannot make {}", kept.display()))?;
    for (name, text) in read(fresh)? {
        fs::write(kept.join(name), text).context("cannot write the query cache")?;
    }
    say(&format!("    Queries written to {}", kept.display()));
    Ok(ExitCode::SUCCESS)
}
