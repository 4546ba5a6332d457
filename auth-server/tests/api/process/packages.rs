//! Scripts for Node.js with packages from npm, for tests against software that was not written here. Where a tool is
//! missing a test says by name that it is skipped; with `MYAPI_TEST_REQUIRE=all` it fails instead.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian and others put it.
const CHROMIUM: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Says that a test is skipped, or fails it.
#[track_caller]
pub fn skip(test: &str, reason: &str) {
    assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "{test}: {reason}");
    eprintln!("skipped: {test}: {reason}");
}

/// A copy of auth-server's `tests/NAME` in the target folder, with the packages of its lock. `None` where a tool is
/// missing.
pub fn installed(test: &str, name: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../auth-server/tests").join(name);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    match install(&source, &folder) {
        Ok(()) => Some(folder),
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

/// The scripts that drive a browser. `None` where a tool is missing.
pub fn browser(test: &str) -> Option<PathBuf> {
    if !CHROMIUM.iter().any(|path| Path::new(path).exists()) {
        skip(test, "needs chromium");
        return None;
    }
    installed(test, "browser")
}

/// Runs one of the scripts in `folder`, which says `done` at its good end.
#[track_caller]
pub fn walk(folder: &Path, script: &str, arguments: &[&str]) {
    let mut node = Command::new("node");
    // To look at what it saw: MYAPI_TEST_PICTURES names a folder.
    if let Some(pictures) = std::env::var_os("MYAPI_TEST_PICTURES") {
        node.env_remove("MYAPI_TEST_PICTURES").arg(script).arg("--pictures").arg(pictures);
    } else {
        node.arg(script);
    }
    let output = node.args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{said}");
}

fn install(source: &Path, folder: &Path) -> Result<(), String> {
    for tool in ["node", "npm"] {
        let is_there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        if !is_there {
            return Err(format!("needs {tool}"));
        }
    }
    fs::create_dir_all(folder).unwrap();
    // Several tests, in processes of their own, want the same.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let is_same = |name: &str| fs::read(folder.join(name)).ok() == fs::read(source.join(name)).ok();
    let is_current = is_same("package-lock.json") && folder.join("node_modules/.package-lock.json").is_file();
    let names = fs::read_dir(source).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names.filter(|name| name != "package-lock.json" && !is_same(name)) {
        fs::copy(source.join(&name), folder.join(&name)).unwrap();
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
