//! Whoever reads the log may stop reading, or go away: no request waits for them. F28.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use shared::db::Pool;

use super::binary::Binary;
use super::wire::Wire;
use crate::app::TestApp;

/// More lines than a pipe and the queue hold together.
const REQUESTS: usize = 10_000;

/// A process whose log nobody reads after the line that tells the address, and whose standard output is closed.
struct Unread {
    child: Child,
    address: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Unread {
    fn start(binary: &Binary) -> Self {
        let mut command = binary.command(&["serve"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["listen"].as_str() {
                break address.parse().unwrap();
            }
        };
        Self { child, address, log }
    }

    /// The longest time that one of so many requests took.
    fn ask(&self, requests: usize) -> Duration {
        let ask = || {
            let mut wire = Wire::open(self.address);
            let mut longest = Duration::ZERO;
            for _ in 0..requests / 4 {
                let began = Instant::now();
                assert_eq!(wire.send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").read().status, 404);
                longest = longest.max(began.elapsed());
            }
            longest
        };
        std::thread::scope(|scope| {
            let some: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            some.into_iter().map(|one| one.join().unwrap()).max().unwrap()
        })
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f28_a_log_reader_that_sleeps_holds_up_no_request(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let mut server = Unread::start(&Binary::on(&pool));
    // A sanity bound: it would be the deadline of a request, or for ever.
    let longest = server.ask(REQUESTS);
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    // It wakes up, and finds lines that are whole.
    let mut line = String::new();
    server.log.read_line(&mut line).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f28_a_log_reader_that_is_gone_ends_nothing(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let mut server = Unread::start(&Binary::on(&pool));
    let empty = std::process::Command::new("true").stderr(Stdio::piped()).spawn().unwrap().stderr.unwrap();
    // The reading end is closed: every write fails from now on.
    drop(std::mem::replace(&mut server.log, BufReader::new(empty)));
    server.ask(400);
    assert!(server.child.try_wait().unwrap().is_none(), "it serves");
}
