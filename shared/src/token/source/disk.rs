//! The last good set of a URL as a file, so that a service restarts while the issuer is down.
//!
//! The file is a JWK Set with two members more: the URL that it came from and when. Until the first fetch succeeds,
//! whoever writes it decides which tokens are good; so it is believed only where nobody but this user or root can have
//! written it, only for the same URL, and only for some days.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::KeysOptions;
use crate::clock::Clock;
use crate::token::json::parse_object;
use crate::token::keys::{Jwks, KeyError, KeySet};

/// Where the set of one URL is kept.
pub(super) struct DiskCopy {
    path: PathBuf,
    url: Url,
    clock: Clock,
}

/// Why a copy is not used. Fit for an operator's eyes.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is not a plain file of this user or root that nobody else may write")]
    Exposed,
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it is of another URL, {0}")]
    OtherUrl(String),
    #[error("it is too old: fetched {} hours ago", .0.as_secs() / 3600)]
    TooOld(Duration),
    #[error("it is refused: {0}")]
    Keys(#[from] KeyError),
}

#[derive(Serialize)]
struct Document<'a> {
    url: &'a str,
    fetched_at: DateTime<Utc>,
    #[serde(flatten)]
    jwks: &'a Jwks,
}

impl DiskCopy {
    pub(super) fn new(path: PathBuf, url: Url) -> Self {
        Self { path, url, clock: Clock::system() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The set and how long ago it was fetched; `None` where there is no copy. Blocks for one small read.
    pub(super) fn read(&self, options: &KeysOptions) -> Result<Option<(KeySet, Duration)>, CopyError> {
        let file = match open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        if !is_trusted(&file.metadata()?) {
            return Err(CopyError::Exposed);
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(options.size_limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_end(&mut bytes)?;
        if bytes.len() > options.size_limit {
            return Err(CopyError::TooLarge(options.size_limit));
        }
        let members = parse_object(&bytes).map_err(|_| CopyError::Damaged("not one whole JSON object"))?;
        let text = |name| members.get(name).and_then(Value::as_str);
        let url = text("url").ok_or(CopyError::Damaged("no text `url`"))?;
        if url != self.url.as_str() {
            return Err(CopyError::OtherUrl(url.to_owned()));
        }
        let fetched_at = text("fetched_at").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let fetched_at = fetched_at.ok_or(CopyError::Damaged("no time `fetched_at`"))?;
        // A clock that went back makes a young copy, not a bad one.
        let age = (self.clock.now() - fetched_at.to_utc()).to_std().unwrap_or_default();
        if age > options.oldest_copy {
            return Err(CopyError::TooOld(age));
        }
        Ok(Some((KeySet::from_jwks(&bytes)?, age)))
    }

    /// Puts the set, fetched that long ago, in the place of the copy that is there; no copy in the place of no key. Blocks
    /// until it is on the disk.
    pub(super) fn write(&self, set: &KeySet, age: Duration) {
        let written = if set.is_empty() { self.remove() } else { self.try_write(set, age) };
        if let Err(error) = written {
            // An old copy may hold a key that is published no more, and that must not come back with a restart.
            let removed = fs::remove_file(&self.path).is_ok();
            tracing::warn!(
                keys.copy = %self.path.display(), keys.copy_removed = removed, error = %error,
                "cannot keep a copy of the public keys: a restart while they cannot be fetched would have none"
            );
        }
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn try_write(&self, set: &KeySet, age: Duration) -> io::Result<()> {
        let fetched_at = self.clock.now() - age;
        let document = Document { url: self.url.as_str(), fetched_at, jwks: &set.to_jwks() };
        let mut bytes = serde_json::to_vec(&document)?;
        bytes.push(b'\n');
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A name of its own for each: two processes with one path must not write into one draft.
        let draft = folder.join(format!(".keys-{}.tmp", Uuid::new_v4()));
        let moved = write_new(&draft, &bytes).and_then(|()| fs::rename(&draft, &self.path));
        if moved.is_err() {
            // The draft may not even be there; what went wrong first is what counts.
            let _ = fs::remove_file(&draft);
        }
        moved?;
        sync_folder(folder)
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Without waiting for a writer, should the place be a pipe.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

#[cfg(unix)]
fn is_trusted(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owners = [0, rustix::process::geteuid().as_raw()];
    metadata.is_file() && owners.contains(&metadata.uid()) && metadata.mode() & 0o022 == 0
}

/// Makes the new name last; the file itself is on the disk already.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(not(unix))]
fn is_trusted(metadata: &fs::Metadata) -> bool {
    metadata.is_file()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
