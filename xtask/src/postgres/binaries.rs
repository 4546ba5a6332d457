//! Looks for a Postgres that is on the machine already.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The oldest server that the migrations are written for.
const OLDEST: u32 = 13;

/// Folders in which each entry is a version with a `bin` in it, and the start of an entry's name.
const VERSIONED: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", ""),                          // Debian, Ubuntu
    ("/usr", "pgsql-"),                                   // PGDG packages for Red Hat
    ("/opt/homebrew/opt", "postgresql"),                  // Homebrew on ARM
    ("/usr/local/opt", "postgresql"),                     // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),     // Homebrew on Linux
    ("/Applications/Postgres.app/Contents/Versions", ""), // Postgres.app
];

/// A folder with `initdb` and `postgres`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// `PG_BIN_DIR`, else the first fitting folder of `PATH`, then of the systems' usual places, newest first.
    /// `wanted` is the major version that made the data, and no other can open it.
    ///
    /// # Errors
    /// When `PG_BIN_DIR` is set and does not fit.
    pub fn find(wanted: Option<u32>) -> Result<Option<Self>> {
        if let Some(folder) = env::var_os("PG_BIN_DIR").filter(|folder| !folder.is_empty()) {
            let found = Self::at(Path::new(&folder)).with_context(|| {
                format!(
                    "PG_BIN_DIR is {}, which has no working initdb and postgres of version {OLDEST} or later",
                    folder.display()
                )
            })?;
            if let Some(wanted) = wanted.filter(|&wanted| wanted != found.major) {
                bail!(
                    "the kept data was made by Postgres {wanted}, and PG_BIN_DIR names Postgres {}: name the other, or use --reset",
                    found.major
                );
            }
            return Ok(Some(found));
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let candidates =
            env::split_paths(&path).chain(VERSIONED.iter().flat_map(|(parent, prefix)| versions(parent, prefix)));
        Ok(candidates
            .filter_map(|folder| Self::at(&folder))
            .find(|found| wanted.is_none_or(|wanted| wanted == found.major)))
    }

    /// The binaries in `folder`, if both are there, run, and are new enough.
    pub fn at(folder: &Path) -> Option<Self> {
        if !folder.join("initdb").is_file() || !folder.join("postgres").is_file() {
            return None;
        }
        let major = major(&version_line(folder).ok()?)?;
        (major >= OLDEST).then(|| Self { folder: folder.to_path_buf(), major })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A call of one of the programs, in plain English and with no setting of somebody else's server.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.env("LC_ALL", "C").current_dir("/");
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGSERVICE", "PGTZ"] {
            command.env_remove(name);
        }
        command
    }

    /// What the server says of itself, such as `15.14`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn version(&self) -> Result<String> {
        let line = version_line(&self.folder)?;
        Ok(line.split_whitespace().nth(2).unwrap_or("of unknown version").to_owned())
    }
}

fn version_line(folder: &Path) -> Result<String> {
    let output = Command::new(folder.join("postgres")).arg("--version").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", folder.join("postgres").display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The `bin` folders below `parent`, newest version first; a name without a number is the newest.
fn versions(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_by_key(|name| std::cmp::Reverse(sort_key(name)));
    names.iter().map(|name| Path::new(parent).join(name).join("bin")).collect()
}

/// The numbers in a folder's name: `postgresql@9.6` is older than `postgresql@15`.
fn sort_key(name: &str) -> Vec<u32> {
    let numbers: Vec<u32> = name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    if numbers.is_empty() { vec![u32::MAX] } else { numbers }
}

/// The major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` or `… 18beta1`.
fn major(line: &str) -> Option<u32> {
    let version = line.strip_prefix("postgres (PostgreSQL) ")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let mut names = ["9.6", "postgresql@15", "10", "postgresql@9.6", "latest", "pgsql-17", "13.2"];
        names.sort_by_key(|name| std::cmp::Reverse(sort_key(name)));
        assert_eq!(names, ["latest", "pgsql-17", "postgresql@15", "13.2", "10", "9.6", "postgresql@9.6"]);
    }

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("EnterpriseDB 15"), None);
        assert_eq!(major(""), None);
    }
}
