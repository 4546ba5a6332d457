//! Who acts.

use std::fs;

/// A client over HTTP.
pub(super) const CLIENT: &str = "client";
/// The server by itself.
pub(super) const SERVER: &str = "server";

/// `cli:` and the user of the operating system, by the process's own id: the environment can say anything. A user without
/// an entry in `/etc/passwd`, as in a container, is its number.
pub(super) fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    format!("cli:{}", name_of(&users, uid).unwrap_or_else(|| uid.to_string()))
}

fn name_of(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_where_the_system_knows_a_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1001:1001::/home/ann:/bin/sh\n";
        assert_eq!(name_of(users, 1001).as_deref(), Some("ann"));
        assert_eq!(name_of(users, 7), None);
        assert!(operator().starts_with("cli:"));
    }
}
