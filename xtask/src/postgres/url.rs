//! The connection URL of a private server, as sqlx 0.9 and libpq read it.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::SUPERUSER;

/// The port in the socket's file name. Nothing listens on a TCP port.
pub const PORT: u16 = 5432;

/// `postgres://postgres@localhost:5432/DATABASE?host=FOLDER`: a `host` in the query that starts with a slash is a
/// socket's folder and wins over the one in front, which is there because a URL must have one.
///
/// The port is written out so that `PGPORT` does not change the socket's name.
pub fn database_url(socket: &Path, database: &str) -> String {
    let mut url = format!("postgres://{SUPERUSER}@localhost:{PORT}/{database}?host=");
    for &byte in socket.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_stays_readable() {
        assert_eq!(
            database_url(Path::new("/tmp/myapi-x1/socket"), "myapi"),
            "postgres://postgres@localhost:5432/myapi?host=/tmp/myapi-x1/socket"
        );
    }

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        assert_eq!(
            database_url(Path::new("/a b/ü&c=d#e?f%g+h"), "postgres"),
            "postgres://postgres@localhost:5432/postgres?host=/a%20b/%C3%BC%26c%3Dd%23e%3Ff%25g%2Bh"
        );
    }
}
