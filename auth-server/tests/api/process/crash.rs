//! Refreshes while processes are killed and the database cuts connections (faults F01, F02 and F05): a client never
//! loses its login by it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shared::db::Pool;
use shared::testing::figures::{rounds, tell, tell_at_most};

use super::binary::{Binary, Server, until};
use super::wire::{Reply, get, token, try_token};
use crate::app::{EMAIL, PASSWORD, PUBLIC, TestApp, login};

/// Kills of one run in CI.
const KILLS: u32 = 20;

pub fn logged_in(address: SocketAddr) -> String {
    refresh_token(&token(address, &login(EMAIL, PASSWORD), &[]))
}

#[track_caller]
pub fn refresh_token(answer: &Reply) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

fn parameters(refresh_token: &str) -> [(&str, &str); 3] {
    [("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", refresh_token)]
}

pub fn refresh(address: SocketAddr, refresh_token: &str) -> Reply {
    token(address, &parameters(refresh_token), &[])
}

fn kill(server: Server) {
    server.process.signal(Signal::KILL);
    assert_eq!(server.process.end().code, None);
}

/// Random enough to hit each step of a refresh, and the same in each run.
fn pause(round: u32) -> Duration {
    Duration::from_micros(u64::from(round.wrapping_mul(2_654_435_761) % 40_000))
}

pub async fn spent(pool: &Pool) -> i64 {
    let sql = "select count(*) from myapi.refresh_tokens where rotated_at is not null";
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f05_r13_a_kill_leaves_a_family_before_or_after_its_rotation(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    // A window longer than the test, so that a retry is a retry however slow the machine is.
    let binary = Binary::on(&pool).with("MYAPI_AUTH__REFRESH_RETRY_WINDOW", "60");
    let mut server = binary.serve();
    let mut newest = logged_in(server.address);
    let (mut lost, mut committed) = (0, 0);
    let rounds = rounds(KILLS);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let before = spent(&pool).await;
        let (address, presented) = (server.address, newest.clone());
        let asked = std::thread::spawn(move || try_token(address, &parameters(&presented)));
        std::thread::sleep(pause(round));
        kill(server);
        committed += u32::from(spent(&pool).await > before);
        let killed = Instant::now();
        server = binary.serve();
        slowest = slowest.max(killed.elapsed());
        let answered = asked.join().unwrap();
        lost += u32::from(answered.is_none());
        // Whether the commit was before the kill or not, the client's retry gives the one successor.
        let again = refresh_token(&refresh(server.address, &newest));
        if let Some(answer) = answered {
            assert_eq!(refresh_token(&answer), again, "round {round}: what was answered is durable");
        }
        assert_eq!(app.live_leaves().await, 1, "round {round}");
        newest = again;
    }
    tell("kills", "kills", f64::from(rounds));
    tell("kills", "of them after the commit", f64::from(committed));
    tell("kills", "answers lost", f64::from(lost));
    tell_at_most("kills", "slowest start after a kill, s", slowest.as_secs_f64(), 2.0);
    server.stop();
}

/// F02: no acknowledged token is lost, and a database fault never looks like a bad token.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f02_a_cut_connection_is_503_and_loses_nothing(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let address = server.address;
    let logins: Vec<String> = (0..4).map(|_| logged_in(address)).collect();
    let clients: Vec<_> = logins
        .into_iter()
        .map(|mut newest| {
            std::thread::spawn(move || {
                let mut unavailable = 0;
                for _ in 0..50 {
                    let answer = refresh(address, &newest);
                    match answer.status {
                        200 => newest = refresh_token(&answer),
                        503 => unavailable += 1,
                        _ => panic!("{}: {}", answer.status, answer.body),
                    }
                }
                let done = until(|| {
                    let answer = refresh(address, &newest);
                    assert!(matches!(answer.status, 200 | 503), "{}", answer.body);
                    answer.status == 200
                });
                assert!(done, "the login was lost");
                unavailable
            })
        })
        .collect();
    let mut cut = 0;
    while clients.iter().any(|client: &std::thread::JoinHandle<u32>| !client.is_finished()) {
        let sql = "select pg_terminate_backend(pid)
                   from pg_stat_activity
                   where application_name = 'auth-server' and datname = current_database()
                   order by random()
                   limit 1";
        cut += u32::try_from(sqlx::query(sql).execute(&pool).await.unwrap().rows_affected()).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let unavailable: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    println!("{cut} connections were cut, {unavailable} answers of 204 were 503");
    assert!(cut > 0);
    assert_eq!(app.live_leaves().await, 4, "one for each client");
    assert_eq!(get(address, "/healthz").status, 200);
    server.stop();
}
