//! Requests that no client library would send, byte by byte, and what has to come of them (faults F16 and F17).

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What follows an ambiguous request: whoever takes it for a request of its own answers twice.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n";

/// A request and the statuses of all its answers, after which the connection has to end.
pub type Case = (&'static str, &'static str, &'static [u16]);

/// Heads that two servers may read as two different things: 400, and nothing else.
pub const AMBIGUOUS_HEADS: &[Case] = &[
    (
        "CL.TE",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        &[400],
    ),
    ("TE.CL", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n", &[400]),
    ("two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\nabc", &[400]),
    ("a length twice", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc", &[400]),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", &[400]),
    ("+3", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", &[400]),
    ("0x3", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", &[400]),
    ("-1", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", &[400]),
    ("2^64", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n", &[400]),
    ("3 3", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3 3\r\n\r\nabc", &[400]),
    ("xchunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[400]),
    (
        "chunked, identity",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "identity, chunked",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    ("VT", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", &[400]),
    (
        "TE twice",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    ("TE of 1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("TE, space, colon", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("TE folded", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("obs-fold", "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", &[400]),
    ("space, colon", "GET /healthz HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", &[400]),
    ("NUL in a value", "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", &[400]),
    ("NUL in a name", "GET /healthz HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n", &[400]),
    ("CR in a value", "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\rContent-Length: 3\r\n\r\n", &[400]),
    ("bare LF", "GET /healthz HTTP/1.1\nHost: x\n\n", &[400]),
    ("bare LF in between", "GET /healthz HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", &[400]),
    ("bare LF at the end", "GET /healthz HTTP/1.1\r\nHost: x\r\n\n", &[400]),
    ("bare LF in front", "\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    ("no Host", "GET /healthz HTTP/1.1\r\n\r\n", &[400]),
    ("two Hosts", "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", &[400]),
    ("an empty Host", "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", &[400]),
    ("a list of Hosts", "GET /healthz HTTP/1.1\r\nHost: x, y\r\n\r\n", &[400]),
    ("a Host with a path", "GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n", &[400]),
    ("a Host with a user", "GET /healthz HTTP/1.1\r\nHost: x@y\r\n\r\n", &[400]),
    ("a version to come", "GET /healthz HTTP/1.9\r\nHost: x\r\n\r\n", &[400]),
    ("no version", "GET /healthz\r\n\r\n", &[400]),
    (
        "a behind b",
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        &[200, 400],
    ),
];

/// Chunked bodies that are none. The head is fine, so that the route's own refusal may come first.
pub const BAD_CHUNKS: &[(&str, &str)] = &[
    ("0x3", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("-3", "-3\r\nabc\r\n0\r\n\r\n"),
    ("overflow", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("no size", "\r\nabc\r\n0\r\n\r\n"),
    ("bare LF behind a size", "3\nabc\r\n0\r\n\r\n"),
    ("bare LF in an extension", "3;a\nabc\r\n0\r\n\r\n"),
    ("bare LF behind a chunk", "3\r\nabc\n0\r\n\r\n"),
    ("bare LF in a trailer", "3\r\nabc\r\n0\r\nA: b\n\r\n"),
    ("longer than its size", "3\r\nabcde\r\n0\r\n\r\n"),
];

/// What a server sent until it closed the connection.
#[derive(Debug)]
pub struct Exchange {
    /// The status of each answer.
    pub statuses: Vec<u16>,
    /// False when the connection was still open at the end of all patience.
    pub is_closed: bool,
    /// How long it took until it was closed.
    pub took: Duration,
}

/// Sends these bytes, as far as the server takes them, and reads what it has to say.
///
/// # Panics
/// When it cannot be reached.
#[must_use]
pub fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Exchange {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(patience)).expect("a time above zero");
    stream.set_write_timeout(Some(patience)).expect("a time above zero");
    // A server that refuses need not read to the end.
    drop(stream.write_all(bytes));
    let mut said = Vec::new();
    let is_closed = match stream.read_to_end(&mut said) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    };
    let took = began.elapsed();
    drop(stream.shutdown(Shutdown::Both));
    Exchange { statuses: statuses(&String::from_utf8_lossy(&said)), is_closed, took }
}

/// Does on a thread of its own what blocks, for tests whose own thread serves.
///
/// # Panics
/// When the work does.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || drop(sender.send(work())));
    done.await.expect("the work beside panicked")
}

fn statuses(said: &str) -> Vec<u16> {
    let answers = said.split("HTTP/1.").skip(1);
    answers.filter_map(|answer| answer.get(2..5)?.parse().ok()).collect()
}

/// What is wrong with the answers to all the ambiguous requests, each with another request behind it; `chunked` is the head
/// of a request whose body is read, up to and without its framing.
#[must_use]
pub fn faults(address: SocketAddr, chunked: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let patience = Duration::from_secs(20);
    for (name, request, expected) in AMBIGUOUS_HEADS {
        let seen = exchange(address, format!("{request}{SMUGGLED}").as_bytes(), patience);
        if seen.statuses != *expected || !seen.is_closed {
            faults.push(format!("{name}: {seen:?}"));
        }
    }
    for (name, body) in BAD_CHUNKS {
        let request = format!("{chunked}Transfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}");
        let seen = exchange(address, request.as_bytes(), patience);
        let is_one_refusal = matches!(seen.statuses.as_slice(), [400..=499]);
        if !is_one_refusal || !seen.is_closed {
            faults.push(format!("chunks, {name}: {seen:?}"));
        }
    }
    faults
}

/// What is wrong with the answers to requests that are too large; `sized` is the head of a request whose body is read, up
/// to and without its framing.
#[must_use]
pub fn oversized(address: SocketAddr, sized: &str) -> Vec<String> {
    let filler = |length: usize| "y".repeat(length);
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    let many: String = (0..101).map(|at| format!("X-{at}: y\r\n")).collect();
    let parameters = "a=1&".repeat(20_000);
    let cases: [(&str, String, &[u16]); 8] = [
        ("a header of 64 KiB", format!("{get}A: {}\r\n\r\n", filler(64 << 10)), &[431]),
        ("a header of 512 KiB", format!("{get}A: {}\r\n\r\n", filler(512 << 10)), &[431]),
        ("101 headers", format!("{get}{many}\r\n"), &[431]),
        ("a URI of 70 KiB", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", filler(70 << 10)), &[414]),
        ("20,000 parameters", format!("GET /?{parameters} HTTP/1.1\r\nHost: x\r\n\r\n"), &[414]),
        ("a body of 3 MiB", format!("{sized}Content-Length: {}\r\n\r\n{}", 3 << 20, filler(3 << 20)), &[413]),
        ("a form of 20,000", format!("{sized}Content-Length: 80000\r\n\r\n{parameters}"), &[413]),
        (
            "an extension of 64 KiB",
            format!("{sized}Transfer-Encoding: chunked\r\n\r\n3;{}\r\nabc\r\n0\r\n\r\n", filler(64 << 10)),
            &[400],
        ),
    ];
    let mut faults = Vec::new();
    for (name, request, expected) in cases {
        let seen = exchange(address, request.as_bytes(), Duration::from_secs(20));
        // A sanity bound: 50 ms where nothing else runs.
        if seen.statuses != expected || !seen.is_closed || seen.took > Duration::from_secs(5) {
            faults.push(format!("{name}: {seen:?}"));
        }
    }
    faults
}
