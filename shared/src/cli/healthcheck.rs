//! `healthcheck`: asks the server on this machine whether it is ready, for containers that have no other HTTP client.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use super::parse_address;
use crate::output::{OutputFormat, print_json, print_line};

/// How long the whole exchange may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes of the answer that are read at most.
const MAX_ANSWER: usize = 16 * 1024;

/// Flags of `healthcheck`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Healthcheck {
    /// Address and port that the server listens on, when `serve` was given another one than the settings
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    bind: Option<SocketAddr>,
}

/// Why the server counts as not ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// Nobody listens, or nobody answers in time.
    #[error("no answer from {url}: {reason}")]
    NoAnswer {
        /// What was asked for.
        url: String,
        /// Why.
        reason: io::Error,
    },
    /// Another status than 200.
    #[error("{url} answered {status}: {body}")]
    NotReady {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// What came with it.
        body: String,
    },
    /// The system chooses the port when the server starts.
    #[error("{0} names no port: say --bind with the port that the server listens on")]
    NoPort(SocketAddr),
    /// stdout takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Healthcheck {
    /// The flag as a setting, by the name of the variable that it takes the place of.
    #[must_use]
    pub fn flags(&self, variable: &str) -> Vec<(String, String)> {
        self.bind.iter().map(|bind| (variable.to_owned(), bind.to_string())).collect()
    }

    /// Asks `path` of the server that is bound to `bind`; an address for all interfaces is asked over loopback.
    ///
    /// # Errors
    /// [`HealthcheckError`] unless it answers 200 within two seconds.
    pub fn run(&self, bind: SocketAddr, path: &str, output: OutputFormat) -> Result<(), HealthcheckError> {
        let address = reachable(bind);
        if address.port() == 0 {
            return Err(HealthcheckError::NoPort(bind));
        }
        let url = format!("http://{address}{path}");
        match ask(address, path) {
            Err(reason) => Err(HealthcheckError::NoAnswer { url, reason }),
            Ok((200, _)) => {
                let printed = match output {
                    OutputFormat::Json => print_json(&json!({ "ready": true, "url": url })),
                    OutputFormat::Table => print_line("ready"),
                };
                Ok(printed?)
            }
            Ok((status, body)) => Err(HealthcheckError::NotReady { url, status, body }),
        }
    }
}

fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

/// Status and body. One request over one connection, which the server closes.
fn ask(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let started = Instant::now();
    let left = || {
        let left = LIMIT.saturating_sub(started.elapsed());
        if left.is_zero() { Err(timed_out()) } else { Ok(left) }
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?).map_err(named)?;
    stream.set_write_timeout(Some(left()?))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(named)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while answer.len() < MAX_ANSWER {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut chunk).map_err(named)? {
            0 => break,
            read => answer.extend(chunk.iter().take(read)),
        }
    }
    read_answer(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("it does not speak HTTP"))
}

/// A time limit of a socket shows as "would block", which tells an operator nothing.
fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => timed_out(),
        _ => error,
    }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nothing came within {} s", LIMIT.as_secs()))
}

fn read_answer(text: &str) -> Option<(u16, String)> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = body.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    Some((status, body.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_interfaces_is_asked_over_loopback() {
        for (bind, asked) in [
            ("0.0.0.0:8001", "127.0.0.1:8001"),
            ("[::]:8001", "[::1]:8001"),
            ("192.0.2.7:8001", "192.0.2.7:8001"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(reachable(bind.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn answers_are_read() {
        let answer = |text: &str| read_answer(text);
        assert_eq!(answer("HTTP/1.1 200 OK\r\na: b\r\n\r\n{}\n"), Some((200, "{}".to_owned())));
        assert_eq!(answer("HTTP/1.1 503 \r\n\r\na\u{1b}b"), Some((503, "a b".to_owned())));
        for odd in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 ok\r\n\r\n"] {
            assert_eq!(answer(odd), None, "{odd:?}");
        }
    }
}
