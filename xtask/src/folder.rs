//! Private folders, and whether another user can get into one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;

use crate::process::Ids;
use crate::random;

/// Makes a new folder with an unguessable name under `parent`, for `owner` (this user, if none) alone.
///
/// # Errors
/// When `parent` is not writable.
pub fn create_private(parent: &Path, owner: Option<Ids>) -> Result<PathBuf> {
    let folder = parent.join(format!("myapi-{}", random::text(10)?));
    create_owned(&folder, owner)?;
    Ok(folder)
}

/// Makes `folder`, which must not exist, with mode 0700 for `owner`.
///
/// # Errors
/// When it exists or cannot be made.
pub fn create_owned(folder: &Path, owner: Option<Ids>) -> Result<()> {
    let shown = folder.display();
    DirBuilder::new().mode(0o700).create(folder).with_context(|| format!("cannot make the folder {shown}"))?;
    if let Some(ids) = owner {
        lchown(folder, Some(ids.uid), Some(ids.gid)).with_context(|| format!("cannot give {shown} to its user"))?;
    }
    Ok(())
}

/// Removes a folder and what is in it, if it is there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The text of a file that only this user may read, made by `make` the first time.
///
/// # Errors
/// When the file cannot be read or written, is empty, or `make` fails.
pub fn kept_secret(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => bail!("{shown} is empty"),
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    }
    let secret = make()?;
    // Under another name first: a run that dies here must not leave half a secret.
    let draft = path.with_extension("tmp");
    let _ = fs::remove_file(&draft);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    file.and_then(|mut file| writeln!(file, "{}", secret.trim()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path))
        .with_context(|| format!("cannot write {shown}"))?;
    Ok(secret.trim().to_owned())
}

/// An empty log file that only this user may read. A link in its place is refused: the folder may be another user's.
///
/// # Errors
/// When it cannot be made.
pub fn create_log(path: &Path) -> Result<File> {
    let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
    let file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).custom_flags(no_follow).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

/// Whether `ids` may enter `folder` and everything above it, going by the permission bits.
pub fn is_reachable(folder: &Path, ids: Ids) -> bool {
    folder.ancestors().filter(|part| !part.as_os_str().is_empty()).all(|part| {
        fs::metadata(part).is_ok_and(|part| {
            let bit = match (part.uid() == ids.uid, part.gid() == ids.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            part.mode() & bit != 0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const STRANGER: Ids = Ids { uid: 4_000_001, gid: 4_000_001 };

    #[test]
    fn a_folder_under_a_private_one_is_out_of_reach() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(is_reachable(&inner, STRANGER));
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!is_reachable(&inner, STRANGER));
    }

    #[test]
    fn a_secret_is_made_once_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert_eq!(kept_secret(&path, || Ok("one\n".to_owned())).unwrap(), "one");
        assert_eq!(kept_secret(&path, || Ok("two".to_owned())).unwrap(), "one");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
