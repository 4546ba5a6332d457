//! Which folders a server uses.

use std::env;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::geteuid;

use super::account::Account;
use super::server;
use super::url::PORT;
use crate::folder;
use crate::interrupt::Interrupt;

/// The longest path of a Unix socket, in bytes without the closing zero.
const SOCKET_PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The file that remembers where the data went when the target folder is closed to the server's user.
const ELSEWHERE: &str = "postgres-is-in";

/// The folders of one server. Dropping it removes the ones that do not last; the guard does the same when this program
/// is killed.
#[derive(Debug)]
pub struct Place {
    /// The data folder; it need not exist yet.
    pub data: PathBuf,
    /// The socket's folder, mode 0700.
    pub socket: PathBuf,
    /// What the server prints.
    pub log: PathBuf,
    /// Folders to remove when the server has stopped.
    pub remove: Vec<PathBuf>,
}

impl Place {
    /// A place that is kept between runs, in `home/postgres`. Where the server's user cannot enter that (root's
    /// checkout in root's own folder), it is a private folder under the temporary one, and `home` remembers which.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn kept(home: &Path, account: &Account) -> Result<Self> {
        let note = home.join(ELSEWHERE);
        let folder = match find_elsewhere(&note, account) {
            Some(folder) => folder,
            None if account.ids.is_none_or(|ids| folder::is_reachable(home, ids)) => home.join("postgres"),
            None => {
                let folder = folder::create_private(&temporary(true), account.ids)?;
                fs::write(&note, folder.as_os_str().as_bytes())
                    .with_context(|| format!("cannot write {}", note.display()))?;
                folder
            }
        };
        Self::inside(folder, account, false)
    }

    /// A place that is removed when the server has stopped: in `home`, or where the server's user cannot enter that,
    /// or `home` is `None`, in the temporary folder.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn throwaway(home: Option<&Path>, account: &Account) -> Result<Self> {
        let home = home.filter(|home| account.ids.is_none_or(|ids| folder::is_reachable(home, ids)));
        let parent = home.map_or_else(|| temporary(false), Path::to_path_buf);
        Self::inside(folder::create_private(&parent, account.ids)?, account, true)
    }

    /// Deletes what [`Place::kept`] keeps, once the server of a killed run has let go of it.
    ///
    /// # Errors
    /// When it is in use or cannot be deleted.
    pub fn delete_kept(home: &Path, account: &Account, interrupt: &Interrupt) -> Result<()> {
        let note = home.join(ELSEWHERE);
        let elsewhere = find_elsewhere(&note, account);
        for folder in elsewhere.into_iter().chain([home.join("postgres")]) {
            server::wait_for_predecessor(&folder.join("data"), interrupt)?;
            folder::remove(&folder)?;
        }
        let _ = fs::remove_file(&note);
        Ok(())
    }

    fn inside(folder: PathBuf, account: &Account, is_throwaway: bool) -> Result<Self> {
        if !folder.exists() {
            folder::create_owned(&folder, account.ids)?;
        }
        let mut remove = Vec::new();
        if is_throwaway {
            remove.push(folder.clone());
        }
        let near = folder.join("socket");
        let socket = if is_fit_for_socket(&near) {
            folder::remove(&near)?;
            folder::create_owned(&near, account.ids)?;
            near
        } else {
            let parent = temporary(false);
            let parent =
                if is_fit_for_socket(&parent.join("myapi-0123456789")) { parent } else { PathBuf::from("/tmp") };
            let far = folder::create_private(&parent, account.ids)?;
            remove.push(far.clone());
            far
        };
        Ok(Self { data: folder.join("data"), socket, log: folder.join("postgres.log"), remove })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for folder in &self.remove {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A folder that everybody may enter, one that survives a restart of the machine if `is_lasting`.
fn temporary(is_lasting: bool) -> PathBuf {
    let lasting = Path::new("/var/tmp");
    if is_lasting && lasting.is_dir() { lasting.to_path_buf() } else { env::temp_dir() }
}

/// The remembered folder, if it is still what this program made: a real folder of the server's user or ours. Anybody
/// can make folders in a temporary folder.
fn find_elsewhere(note: &Path, account: &Account) -> Option<PathBuf> {
    let folder = PathBuf::from(fs::read_to_string(note).ok()?.trim_end());
    let found = fs::symlink_metadata(&folder).ok()?;
    let owner = account.ids.map_or_else(|| geteuid().as_raw(), |ids| ids.uid);
    (found.is_dir() && found.uid() == owner).then_some(folder)
}

/// Whether the socket's path is short enough, and the folder's name means nothing in the server's list of folders.
fn is_fit_for_socket(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    let file = format!("/.s.PGSQL.{PORT}");
    bytes.len() + file.len() <= SOCKET_PATH_MAX && !bytes.iter().any(|byte| b",\"'\\".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_or_odd_folder_is_no_place_for_a_socket() {
        let name_of = |length: usize| PathBuf::from(format!("/{}", "d".repeat(length - 1)));
        let longest = SOCKET_PATH_MAX - "/.s.PGSQL.5432".len();
        assert!(is_fit_for_socket(&name_of(longest)));
        assert!(!is_fit_for_socket(&name_of(longest + 1)));
        assert!(is_fit_for_socket(Path::new("/with space")));
        assert!(!is_fit_for_socket(Path::new("/with,comma")));
    }

    #[test]
    fn a_deep_place_has_its_socket_in_a_short_folder_that_goes_away() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("deep/".repeat(40));
        fs::create_dir_all(&deep).unwrap();
        let place = Place::kept(&deep, &Account { ids: None }).unwrap();
        assert!(place.data.starts_with(&deep));
        assert!(is_fit_for_socket(&place.socket), "{}", place.socket.display());
        assert_eq!(place.remove, std::slice::from_ref(&place.socket));
        let socket = place.socket.clone();
        drop(place);
        assert!(!socket.exists() && deep.exists());
    }
}
