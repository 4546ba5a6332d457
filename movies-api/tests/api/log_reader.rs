//! Whoever reads the log may stop reading, or go away: no request waits for them. F28.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use shared::testing::TestIssuer;
use tempfile::TempDir;

/// More lines than a pipe and the queue hold together.
const REQUESTS: usize = 10_000;

struct Server {
    child: Child,
    address: SocketAddr,
    log: BufReader<ChildStderr>,
    /// What it logged before it listened.
    before: String,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; a test that fails must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Its log is read up to the line that tells the address.
    fn start(filter: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        std::fs::write(&key, TestIssuer::es256().public_pem()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_movies-api"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("RUST_LOG", filter)
            .env("MYAPI_MOVIES__BIND", "127.0.0.1:0")
            .env("MYAPI_MOVIES__PUBLIC_KEY_FILE", key)
            // Port 1 of loopback: nobody listens there.
            .env("MYAPI_DATABASE__DEV", "postgres://nobody@127.0.0.1:1/none")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut before = String::new();
        let mut line = String::new();
        let address = loop {
            before.push_str(&line);
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["listen"].as_str() {
                break address.parse().unwrap();
            }
        };
        Self { child, address, log, before, _folder: folder }
    }

    /// The longest time that one of so many requests took.
    async fn ask(&self, requests: usize) -> Duration {
        let url = format!("http://{}/movies/1", self.address);
        let client = reqwest::Client::new();
        let some = (0..4).map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                let mut longest = Duration::ZERO;
                for _ in 0..requests / 4 {
                    let began = Instant::now();
                    let answer = client.get(&url).send().await.unwrap();
                    assert_eq!(answer.status(), 401);
                    answer.bytes().await.unwrap();
                    longest = longest.max(began.elapsed());
                }
                longest
            })
        });
        let mut longest = Duration::ZERO;
        for one in some.collect::<Vec<_>>() {
            longest = longest.max(one.await.unwrap());
        }
        longest
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f28_a_log_reader_that_sleeps_holds_up_no_request() {
    let mut server = Server::start("info");
    // A sanity bound: it would be the deadline of a request, or for ever.
    let longest = server.ask(REQUESTS).await;
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    // It wakes up, and finds lines that are whole.
    let mut line = String::new();
    server.log.read_line(&mut line).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["message"], "answered", "{line}");
    assert_eq!(line["http.status"], 401);
    assert_eq!(line["span"]["http.route"], "/movies/{movie_id}", "{line}");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && line["level"] == "INFO", "{line}");
}

#[tokio::test]
async fn f28_a_log_reader_that_is_gone_ends_nothing() {
    let mut server = Server::start("info");
    let empty = Command::new("true").stderr(Stdio::piped()).spawn().unwrap().stderr.unwrap();
    // The reading end is closed: every write fails from now on.
    drop(std::mem::replace(&mut server.log, BufReader::new(empty)));
    server.ask(400).await;
    assert!(server.child.try_wait().unwrap().is_none(), "it serves");
}

#[tokio::test]
async fn a_filter_that_cannot_be_is_told_and_the_default_used() {
    for (filter, told) in [("movies_api=loud", "which is no filter"), ("info,[", "which is no filter")] {
        let mut server = Server::start(filter);
        server.ask(4).await;
        let pid = rustix::process::Pid::from_child(&server.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        server.log.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.matches("\"message\":\"answered\"").count(), 4, "{rest}");
        assert!(rest.contains("movies-api stopped"), "the last line is written too: {rest}");
        assert!(server.before.contains(told), "{}", server.before);
    }
}

/// The line of the request has the code that its client was given, beside the request's id.
#[tokio::test]
async fn o03_the_line_of_each_refusal_has_its_code_and_the_clients_request_id() {
    let mut server = Server::start("info");
    let client = reqwest::Client::new();
    let mut refused = Vec::new();
    for (method, path, token, code) in [
        ("GET", "/movies/1", None, "token_missing"),
        ("GET", "/movies/1", Some("Bearer abc"), "token_invalid"),
        ("GET", "/movies/1", Some("Bearer a b"), "request_malformed"),
        ("GET", "/nothing", None, "route_not_found"),
        ("DELETE", "/healthz", None, "method_not_allowed"),
        ("GET", "/readyz", None, "not_ready"),
    ] {
        let request = client.request(method.parse().unwrap(), format!("http://{}{path}", server.address));
        let request = token.into_iter().fold(request, |request, token| request.header("authorization", token));
        let answer = request.send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], code, "{problem}");
        refused.push((id, code));
    }
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    server.log.read_to_string(&mut rest).unwrap();
    let lines: Vec<serde_json::Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (id, code) in refused {
        let is_it =
            |line: &&serde_json::Value| line["span"]["request.id"] == id.as_str() && line["message"] == "answered";
        let found: Vec<_> = lines.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{id} in {rest}");
        assert_eq!(found[0]["span"]["error.code"], code, "{}", found[0]);
    }
}
