//! `auth-server selftest` against the real pair, and against a resource server that takes every token.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::Value;
use support::is_possible;
use support::pair::{Pair, until};

/// Answers each connection like this, for as long as the test runs.
fn stand_in(answer: fn(&mut TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer(&mut stream.unwrap()));
        }
    });
    address
}

/// Takes every token, and none at all.
fn take_everything(stream: &mut TcpStream) {
    let mut head = [0; 8192];
    let _ = stream.read(&mut head);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
}

/// Takes the request and never answers.
fn fall_silent(stream: &mut TcpStream) {
    let mut head = [0; 8192];
    while stream.read(&mut head).is_ok_and(|read| read > 0) {}
}

/// What is left of a run: names of users and clients.
fn leftovers(pair: &Pair) -> Vec<String> {
    let mut names = Vec::new();
    for (noun, name) in [("user", "email"), ("client", "client_id")] {
        let listed = pair.json(&[noun, "list"]);
        let listed = listed.as_array().cloned().unwrap_or_default();
        names.extend(listed.iter().filter_map(|row| row.get(name)?.as_str().map(str::to_owned)));
    }
    names.retain(|name| name.starts_with("selftest-"));
    names
}

fn failed(report: &Value) -> Vec<&str> {
    let rules = report["rules"].as_array().unwrap();
    rules.iter().filter(|rule| rule["ok"] == false).map(|rule| rule["id"].as_str().unwrap()).collect()
}

#[test]
fn every_rule_holds_at_the_real_pair_and_nothing_is_left() {
    if !is_possible("every_rule_holds_at_the_real_pair_and_nothing_is_left") {
        return;
    }
    let pair = Pair::new();
    let (_auth, _movies) = (pair.start_auth(&[]), pair.start_movies());
    let output = pair.output("auth-server", &["selftest"], "");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}\n{output:?}");
    assert!(text.contains("\nok      api-alg-none "), "{text}");
    assert!(text.lines().last().unwrap().ends_with(" rules hold, 0 do not"), "{text}");
    assert_eq!(leftovers(&pair), [""; 0]);
    // Nothing secret is in it.
    for secret in ["mrt1_", "eyJ", "Bearer ey"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_resource_server_that_takes_everything_is_found_out() {
    if !is_possible("a_resource_server_that_takes_everything_is_found_out") {
        return;
    }
    let pair = Pair::new();
    let _auth = pair.start_auth(&[]);
    let api = format!("http://{}/", stand_in(take_everything));
    let output = pair.output("auth-server", &["selftest", "--api", &api, "--output", "json"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = [
        "api-no-token",
        "api-query",
        "api-alg-none",
        "api-alg-hs256",
        "api-kid",
        "api-embedded-key",
        "api-claims",
        "api-signature",
        "api-id-token",
        "api-cache",
        "api-revoked",
    ];
    assert_eq!(failed(&report), expected, "{report}");
    assert_eq!(report["failed"], expected.len());
    assert_eq!(leftovers(&pair), [""; 0]);
}

#[test]
fn an_interrupted_run_removes_what_it_made() {
    if !is_possible("an_interrupted_run_removes_what_it_made") {
        return;
    }
    let pair = Pair::new();
    let _auth = pair.start_auth(&[]);
    let api = format!("http://{}/", stand_in(fall_silent));
    let run = pair.spawn("auth-server", &["selftest", "--api", &api]);
    until("user and clients are made", || leftovers(&pair).len() == 3);
    let sent = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped"), "{output:?}");
    assert_eq!(leftovers(&pair), [""; 0]);
}
