//! HTTP/1.1 by hand, for requests that no client library would send.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::app::encode;

/// A connection that gives up where a test would hang.
pub struct Wire(BufReader<TcpStream>);

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Wire {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
        self
    }

    /// The next answer on this connection.
    pub fn read(&mut self) -> Reply {
        self.try_read().unwrap()
    }

    /// The same, of a server that may die before it has answered whole.
    pub fn try_read(&mut self) -> io::Result<Reply> {
        let mut line = || {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            io::Result::Ok(line.trim_end().to_owned())
        };
        let first = line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no answer but {first:?}")))?;
        let mut headers = Vec::new();
        while let Some((name, value)) = line()?.split_once(": ") {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let mut body = vec![0; reply.header("content-length").map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body)?;
        reply.body = String::from_utf8(body).unwrap();
        Ok(reply)
    }

    /// True when this connection gets an answer that is no refusal for want of a seat.
    pub fn is_served(&mut self) -> bool {
        let head = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        // It may be closed already.
        drop(self.0.get_mut().write_all(head.as_bytes()));
        self.try_read().is_ok_and(|reply| reply.status == 200)
    }

    /// True when the server closed the connection without another byte; waits for it.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]), Ok(0))
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The id that the log has for this request.
    pub fn request_id(&self) -> &str {
        self.header("x-request-id").unwrap()
    }
}

pub fn get(address: SocketAddr, path: &str) -> Reply {
    Wire::open(address).send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).read()
}

/// `POST /token` to a server that may die meanwhile; `None` where no whole answer came.
pub fn try_token(address: SocketAddr, parameters: &[(&str, &str)]) -> Option<Reply> {
    let body = encode(parameters);
    let stream = TcpStream::connect(address).ok()?;
    let mut wire = Wire(BufReader::new(stream));
    let head =
        "POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    wire.0.get_mut().write_all(request.as_bytes()).ok()?;
    wire.try_read().ok()
}

/// `POST /token` with these parameters in the body, and more headers.
pub fn token(address: SocketAddr, parameters: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
    post(address, "/token", &encode(parameters), headers)
}

pub fn post(address: SocketAddr, target: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Wire::open(address)
        .send(format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .read()
}
