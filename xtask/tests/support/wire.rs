//! Requests by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::PATIENCE;

/// An answer over HTTP; status 0 where there was none.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// A member of the body that is text.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("no {member}: {self:?}")).to_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One request on a connection of its own; `headers` end with a line break each.
pub fn ask(to: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let Ok(mut stream) = TcpStream::connect(to) else { return Answer::default() };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)).is_err() {
        return Answer::default();
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// `POST` of a form that is encoded already.
pub fn post(to: SocketAddr, target: &str, form: &str) -> Answer {
    ask(to, "POST", target, "Content-Type: application/x-www-form-urlencoded\r\n", form)
}

/// What a resource server answers to a token.
pub fn present(to: SocketAddr, token: &str) -> Answer {
    ask(to, "GET", "/movies/?movie_id=1", &format!("Authorization: Bearer {token}\r\n"), "")
}

/// The header (0) or the claims (1) of a token.
pub fn part(token: &str, number: usize) -> serde_json::Value {
    let text = URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap()
}
