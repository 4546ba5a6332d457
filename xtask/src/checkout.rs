//! Where this checkout and its target folder are, and which cargo to call.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The checkout that the commands work on.
#[derive(Debug)]
pub struct Checkout {
    /// The folder of the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target folder, whatever setting chose it.
    pub target: PathBuf,
}

impl Checkout {
    /// Asks cargo, which alone knows every way to move the target folder.
    ///
    /// # Errors
    /// When cargo cannot be run or does not describe the workspace.
    pub fn find() -> Result<Self> {
        let manifest_dir = match (env::var("CARGO_PKG_NAME"), env::var_os("CARGO_MANIFEST_DIR")) {
            (Ok(name), Some(dir)) if name == env!("CARGO_PKG_NAME") => PathBuf::from(dir),
            _ => PathBuf::from(env!("CARGO_MANIFEST_DIR")),
        };
        let root = manifest_dir.parent().context("xtask lies outside a workspace")?.to_owned();
        let output = cargo()
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
            .arg(root.join("Cargo.toml"))
            .stdin(Stdio::null())
            .output()
            .context("cannot run cargo")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")?;
        let target = metadata.get("target_directory").and_then(|dir| dir.as_str());
        let target = PathBuf::from(target.context("cargo metadata names no target_directory")?);
        Ok(Self { root, target })
    }

    /// This program's own folder inside the target folder.
    pub fn scratch(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// A cargo call on this workspace that keeps this target folder.
    pub fn cargo(&self) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.root);
        // A relative CARGO_TARGET_DIR would mean another folder from the root.
        if env::var_os("CARGO_TARGET_DIR").is_some() {
            cargo.env("CARGO_TARGET_DIR", &self.target);
        }
        cargo
    }

    /// A cargo call on this workspace in the current folder, for a program that reads paths as they were typed here.
    #[cfg(not(feature = "bench"))]
    pub fn cargo_here(&self, command: &str) -> Command {
        let mut cargo = cargo();
        cargo.arg(command).arg("--manifest-path").arg(self.root.join("Cargo.toml"));
        cargo
    }

    /// `path` as a person in the current folder would write it.
    pub fn shown(&self, path: &Path) -> String {
        let relative = env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
        relative.unwrap_or_else(|| path.to_path_buf()).display().to_string()
    }
}

/// The cargo that runs this program, without what `cargo run` tells it about the package xtask: a build script or a
/// test that reads such a name must not see ours.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in env::vars_os() {
        let is_ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_BIN_")
        });
        if is_ours {
            cargo.env_remove(name);
        }
    }
    cargo
}
