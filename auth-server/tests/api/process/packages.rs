//! Scripts for Node.js with packages from npm, for tests against software that was not written here. Where a tool is
//! missing a test says by name that it is skipped; with `MYAPI_TEST_REQUIRE=all` it fails instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that a test is skipped, or fails it.
#[track_caller]
pub fn skip(test: &str, reason: &str) {
    assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "{test}: {reason}");
    eprintln!("skipped: {test}: {reason}");
}

/// A copy of `tests/NAME` in the target folder, with the packages of its lock. `None` where a tool is missing.
pub fn installed(test: &str, name: &str, script: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    match install(&source, &folder, script) {
        Ok(()) => Some(folder),
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

fn install(source: &Path, folder: &Path, script: &str) -> Result<(), String> {
    for tool in ["node", "npm"] {
        let is_there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        if !is_there {
            return Err(format!("needs {tool}"));
        }
    }
    fs::create_dir_all(folder).unwrap();
    let is_same = |name: &str| fs::read(folder.join(name)).ok() == fs::read(source.join(name)).ok();
    let is_current = is_same("package-lock.json") && folder.join("node_modules/.package-lock.json").is_file();
    for name in ["package.json", script] {
        fs::copy(source.join(name), folder.join(name)).unwrap();
    }
    if is_current {
        return Ok(());
    }
    fs::copy(source.join("package-lock.json"), folder.join("package-lock.json")).unwrap();
    let flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let output = Command::new("npm").args(flags).current_dir(folder).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr)))
}
