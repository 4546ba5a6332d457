//! F11: the end of a process that has work under way. The work is a login that waits for a lock which the test holds.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shared::db::Pool;
use sqlx::{Postgres, Transaction};

use super::binary::{Binary, PATIENCE, until};
use super::wire::{Wire, try_token};
use crate::app::{EMAIL, PASSWORD, TestApp, encode, login};

const WAITING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'auth-server' and wait_event_type = 'Lock'";

/// Nobody reads users until the transaction ends.
async fn hold_users(pool: &Pool) -> Transaction<'static, Postgres> {
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("lock table myapi.users in access exclusive mode").execute(&mut *holder).await.unwrap();
    holder
}

/// A login whose request arrived and whose answer has to wait.
async fn slow_login(address: SocketAddr, pool: &Pool) -> Wire {
    let body = encode(&login(EMAIL, PASSWORD));
    let mut wire = Wire::open(address);
    wire.send(format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(WAITING).fetch_one(pool).await.unwrap() == 0 {
        assert!(Instant::now() < deadline, "the login did not get to the database");
    }
    wire
}

fn refuses(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f11_a_login_under_way_is_answered_and_idle_connections_do_not_hold_the_end(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let mut server = Binary::on(&pool).serve();
    let holder = hold_users(&pool).await;
    let mut idle = Wire::open(server.address);
    let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(idle.send(health).read().status, 200);
    let mut silent = Wire::open(server.address);
    let mut slow = slow_login(server.address, &pool).await;

    server.process.signal(Signal::TERM);
    assert!(until(|| refuses(server.address)), "the listener stays open");
    assert!(idle.is_closed() && silent.is_closed());
    assert!(server.process.is_running(), "it waits for the login");
    holder.rollback().await.unwrap();
    let answer = slow.read();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.json()["access_token"].is_string());
    assert!(slow.is_closed(), "no further request on this connection");

    let since = Instant::now();
    let ended = server.process.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(since.elapsed() < Duration::from_secs(5), "nothing is left to wait for");
    let log = ended.log();
    let said: Vec<_> = log.iter().filter_map(|line| line["message"].as_str()).collect();
    let draining = said.iter().position(|message| *message == "draining").unwrap();
    assert_eq!(said[draining..], ["draining", "answered", "audit checkpoint", "auth-server stopped"]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f11_a_second_signal_ends_it_at_once(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let holder = hold_users(&pool).await;
    let mut slow = slow_login(server.address, &pool).await;
    server.process.signal(Signal::TERM);
    assert!(until(|| refuses(server.address)), "the listener stays open");
    server.process.signal(Signal::INT);
    let ended = server.process.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(ended.log().last().unwrap()["message"], "stopped by a second signal");
    assert!(slow.is_closed(), "without an answer");
    holder.rollback().await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f11_a_signal_right_after_the_start_line_is_heeded(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    for _ in 0..3 {
        binary.serve().stop();
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f11_a_rolling_restart_of_two_replicas_fails_no_request(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let first = [Binary::on(&pool).serve(), Binary::on(&pool).serve()];
    let addresses = first.each_ref().map(|server| server.address);
    let is_over = AtomicBool::new(false);
    let parameters = [("grant_type", "password"), ("client_id", "app"), ("username", EMAIL), ("password", "no")];
    std::thread::scope(|scope| {
        let client = |number: usize| {
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                // As a balancer does: the other one where this one is not there.
                let order = [number + asked, number + asked + 1].map(|at| addresses[at % 2]);
                let answer = order.iter().find_map(|address| try_token(*address, &parameters));
                // Wrong passwords are throttled at some time.
                let status = answer.map(|answer| answer.status);
                assert!(matches!(status, Some(400 | 429)), "{status:?}");
                asked += 1;
            }
            asked
        };
        let clients: Vec<_> = (0..3).map(|number| scope.spawn(move || client(number))).collect();
        let (over, mut later) = (Over(&is_over), Vec::new());
        for server in first {
            let address = server.address.to_string();
            assert!(server.stop().log().iter().any(|line| line["message"] == "draining"));
            later.push(Binary::on(&pool).with("MYAPI_AUTH__BIND", &address).serve());
        }
        drop(over);
        assert!(clients.into_iter().all(|client| client.join().unwrap() > 2));
        later.into_iter().for_each(|server| drop(server.stop()));
    });
}

/// Raises the flag when it is dropped, so that nobody goes on for ever behind a test that failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
