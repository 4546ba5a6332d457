//! One run per folder. The lock dies with its process, so nothing has to be cleaned up after a kill -9.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// A held lock.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is held while the file is open")] File);

/// The answer to an attempt to lock.
#[derive(Debug)]
pub enum Attempt {
    /// Ours until the value is dropped.
    Locked(Lock),
    /// Another process holds it; its id, if it has written it already.
    HeldBy(Option<u32>),
}

/// Tries to lock `path`, and writes this process's id into it.
///
/// # Errors
/// When the file cannot be made, locked or written.
pub fn attempt(path: &Path) -> Result<Attempt> {
    let shown = path.display();
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
    let mut file = file.with_context(|| format!("cannot open {shown}"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            file.read_to_string(&mut text).with_context(|| format!("cannot read {shown}"))?;
            return Ok(Attempt::HeldBy(text.trim().parse().ok()));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot lock {shown}")),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", process::id()))
        .with_context(|| format!("cannot write {shown}"))?;
    Ok(Attempt::Locked(Lock(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let Attempt::Locked(first) = attempt(&path).unwrap() else { unreachable!() };
        let Attempt::HeldBy(holder) = attempt(&path).unwrap() else { unreachable!() };
        assert_eq!(holder, Some(process::id()));
        drop(first);
        assert!(matches!(attempt(&path).unwrap(), Attempt::Locked(_)));
    }
}
