//! A disk of a few megabytes, in memory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What fills it.
const FILLER: &str = "filler";

/// A mounted disk; dropping it unmounts it.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one over a folder; `None` where nobody but the machine's administrator may.
    pub fn over(folder: &Path, megabytes: u32) -> Option<Self> {
        let options = format!("size={megabytes}m,mode=755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        is_mounted.then(|| Self(folder.to_owned()))
    }

    /// Takes all that is free.
    pub fn fill(&self) {
        let mut filler = File::create(self.0.join(FILLER)).unwrap();
        for size in [1 << 20, 4096] {
            let zeroes = vec![0; size];
            while filler.write_all(&zeroes).is_ok() {}
        }
    }

    /// Gives it back.
    pub fn empty(&self) {
        std::fs::remove_file(self.0.join(FILLER)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}
