//! Just enough HTTP to ask a service whether it is ready.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of an answer is read, in bytes.
const ANSWER_MAX: u64 = 64 * 1024;

/// The status of `GET path`.
///
/// # Errors
/// When nothing listens, or what listens does not answer HTTP in time.
pub fn status(address: SocketAddr, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    // All of it: a reset connection would stand in the service's log.
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other("not an HTTP answer"))
}

/// The number in `HTTP/1.1 200 OK`.
fn parse(answer: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(answer.split(|&byte| byte == b'\r').next()?).ok()?;
    let status = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    status.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), Some(200));
        assert_eq!(parse(b"HTTP/1.0 503"), Some(503));
        assert_eq!(parse(b"SSH-2.0-Open"), None);
    }
}
