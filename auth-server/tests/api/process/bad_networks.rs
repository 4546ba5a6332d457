//! Clients that send what no library would, and more of them than there are descriptors: faults F14 to F17.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use shared::db::Pool;
use shared::testing::raw;

use super::binary::{Binary, PATIENCE, Process, Server, until};
use super::wire::{Wire, get};
use crate::app::TestApp;

const FORM: &str = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f16_f17_large_and_ambiguous_requests_are_refused_once_and_closed(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    assert_eq!(raw::faults(server.address, FORM), [""; 0]);
    assert_eq!(raw::oversized(server.address, FORM), [""; 0]);
    assert_eq!(get(server.address, "/healthz").status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f14_half_a_body_is_given_up_before_the_deadline_of_a_request(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let since = Instant::now();
    let mut half = Wire::open(server.address);
    let answer = half.send(format!("{FORM}Content-Length: 100\r\n\r\ngrant_type=")).read();
    assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_request".into()), "{}", answer.body);
    assert!(half.is_closed());
    let elapsed = since.elapsed();
    assert!((Duration::from_secs(7)..Duration::from_secs(15)).contains(&elapsed), "{elapsed:?}");
}

/// `serve` under a limit of open files.
fn serve_with_files(binary: &Binary, most: u32) -> Server {
    let program = binary.command(&["serve"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {most}; exec \"$0\" serve")]).arg(program.get_program()).env_clear();
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(binary.folder.path());
    let mut process = Process::spawn(shell, "");
    let start = process.line(|line| line["message"] == "auth-server listens");
    let address = start["listen"].as_str().unwrap().parse().unwrap();
    Server { process, address }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f15_more_connections_than_files_are_turned_away(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = serve_with_files(&Binary::on(&pool), 256);
    let connect = || TcpStream::connect(server.address).unwrap();
    let flood: Vec<_> = (0..400).map(|_| connect()).collect();
    let mut turned_away = Wire::open(server.address);
    let answer = turned_away.read();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(turned_away.is_closed());
    // They say nothing, and are closed for it; whoever comes then is served.
    let began = Instant::now();
    assert!(until(|| Wire::open(server.address).is_served()), "it does not recover");
    assert!(began.elapsed() < PATIENCE);
    drop(flood);
    let said = server.stop().stderr;
    assert!(said.contains("the limit of open files allows fewer connections"), "{said}");
    assert!(!said.contains("cannot accept connections"), "the seats end before the files do: {said}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f15_no_file_left_is_survived(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let mut server = Binary::on(&pool).serve();
    let pid = Pid::from_raw(server.process.id().try_into().unwrap());
    // It found more when it started.
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(60), maximum: Some(60) }).unwrap();
    let flood: Vec<_> = (0..200).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.process.line(|line| line["message"] == "cannot accept connections");
    drop(flood);
    assert!(until(|| Wire::open(server.address).is_served()), "it does not recover");
    assert!(server.process.is_running());
}
