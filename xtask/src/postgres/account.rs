//! Whom the server runs as. Postgres refuses root.

use std::fs;

use anyhow::{Result, bail};
use rustix::process::geteuid;

use crate::process::Ids;

/// The server's user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Account {
    /// Whom to become; `None` stays who we are.
    pub ids: Option<Ids>,
}

impl Account {
    /// This user; for root, `postgres` where the system has it, else `nobody`.
    ///
    /// # Errors
    /// When root has neither user to become.
    pub fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { ids: None });
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        match find_ids(&users, "postgres").or_else(|| find_ids(&users, "nobody")) {
            Some(ids) => Ok(Self { ids: Some(ids) }),
            None => bail!(
                "Postgres does not run as root, and there is no user postgres or nobody: add one, or be another user"
            ),
        }
    }
}

/// The ids of `name` in the text of a passwd file.
fn find_ids(users: &str, name: &str) -> Option<Ids> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Ids { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0:::\npostgresql:x:7:8::/:\npostgres:x:101:104:,,,:/var/lib:/bin/bash\nbroken:x\n";
        assert_eq!(find_ids(users, "postgres"), Some(Ids { uid: 101, gid: 104 }));
        assert_eq!(find_ids(users, "nobody"), None);
        assert_eq!(find_ids(users, "broken"), None);
    }
}
