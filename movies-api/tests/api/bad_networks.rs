//! Clients that send what no library would, and more of them than there are descriptors: faults F14 to F17.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, prlimit};
use shared::testing::raw;
use sqlx::PgPool;

use crate::process::{House, PATIENCE};
use crate::support::{Listening, TestApp};

/// Nobody listens on port 1 of loopback.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f16_f17_large_and_ambiguous_requests_are_refused_once_and_closed(pool: PgPool) {
    let app = Listening::start(TestApp::new(pool)).await;
    let bearer = app.token().scope("movies:write").mint();
    let head = format!(
        "POST /movies HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {bearer}\r\n"
    );
    let address = app.address;
    let faults = move || [raw::faults(address, &head), raw::oversized(address, &head)].concat();
    assert_eq!(raw::beside(faults).await, [""; 0]);
    assert_eq!(app.fetch("/healthz", &[]).await.0, 200);
}

#[tokio::test]
async fn f15_more_connections_than_files_are_turned_away() {
    let house = House::on(NO_DATABASE);
    let server = house.serve_at("127.0.0.1:0", Some(256));
    let flood: Vec<_> = (0..400).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let mut turned_away = TcpStream::connect(server.address).unwrap();
    turned_away.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = String::new();
    turned_away.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after: 1\r\n"), "{said}");
    // They say nothing, and are closed for it; whoever comes then is served.
    assert!(server.becomes("/healthz", "", 200).await, "it does not recover");
    drop(flood);
}

#[tokio::test]
async fn f15_no_file_left_is_survived() {
    let mut server = House::on(NO_DATABASE).serve();
    // It found more when it started.
    prlimit(Some(server.id()), Resource::Nofile, Rlimit { current: Some(60), maximum: Some(60) }).unwrap();
    let flood: Vec<_> = (0..200).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.line("cannot accept connections");
    drop(flood);
    assert!(server.becomes("/healthz", "", 200).await, "it does not recover");
    assert!(server.is_running());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f14_a_slow_body_is_cut_off(pool: PgPool) {
    let app = Listening::start(TestApp::new(pool)).await;
    let bearer = app.token().scope("movies:write").mint();
    let half = format!(
        "POST /movies HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {bearer}\r\n\
         Content-Length: 100\r\n\r\n{{"
    );
    let address = app.address;
    let asked = move || raw::exchange(address, half.as_bytes(), PATIENCE);
    let seen = raw::beside(asked).await;
    assert_eq!((seen.statuses.as_slice(), seen.is_closed), (&[400][..], true));
    assert!((Duration::from_secs(7)..Duration::from_secs(15)).contains(&seen.took), "{seen:?}");
}
