//! Keys in a file, read again when it has changed.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::SystemTime;

use super::{SourceError, lock};
use crate::token::keys::{KeyError, KeySet};

/// A key file and what it looked like when it was last read well.
pub(super) struct KeyFile {
    path: PathBuf,
    format: Format,
    seen: Mutex<Option<Stamp>>,
}

enum Format {
    Pem,
    Jwks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

impl KeyFile {
    pub(super) fn pem(path: PathBuf) -> Self {
        Self { path, format: Format::Pem, seen: Mutex::default() }
    }

    pub(super) fn jwks(path: PathBuf) -> Self {
        Self { path, format: Format::Jwks, seen: Mutex::default() }
    }

    /// The set in the file, or `None` where the file has not changed since it was last read well. Blocks for one
    /// small read.
    pub(super) fn read(&self, limit: usize) -> Result<Option<KeySet>, SourceError> {
        let mut seen = lock(&self.seen);
        let file = std::fs::File::open(&self.path).map_err(|error| self.error(error))?;
        let metadata = file.metadata().map_err(|error| self.error(error))?;
        let stamp = Stamp { modified: metadata.modified().ok(), len: metadata.len() };
        if *seen == Some(stamp) {
            return Ok(None);
        }
        let mut content = Vec::new();
        // One byte more than allowed tells "full" from "too long"; the length in the metadata says nothing about a
        // pipe.
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_end(&mut content).map_err(|error| self.error(error))?;
        if content.len() > limit {
            return Err(SourceError::TooLarge(limit));
        }
        let set = match self.format {
            Format::Pem => KeySet::from_pem(std::str::from_utf8(&content).map_err(|_| KeyError::Pem("not text"))?)?,
            Format::Jwks => KeySet::from_jwks(&content)?,
        };
        *seen = Some(stamp);
        Ok(Some(set))
    }

    fn error(&self, error: std::io::Error) -> SourceError {
        SourceError::File { path: self.path.clone(), error }
    }
}
