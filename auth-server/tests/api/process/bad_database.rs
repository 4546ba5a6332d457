//! A database that is busy, slow, silent or gone without a word (faults F03 and F04): 503 in time, and what needs no
//! database goes on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::db::Pool;
use shared::testing::{Proxy, Upstream};
use sqlx::{Postgres, Transaction};

use super::binary::{Binary, PATIENCE, Server, until};
use super::wire::{Reply, get, post, token};
use crate::app::{EMAIL, PASSWORD, PUBLIC, TestApp, login};

/// More than the pool of [`Binary::on`] has connections.
const MANY: usize = 12;

fn log_in(address: SocketAddr) -> Reply {
    token(address, &login(EMAIL, PASSWORD), &[])
}

fn refresh(address: SocketAddr) -> Reply {
    let refresh_token = unknown_token();
    token(address, &[("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", &refresh_token)], &[])
}

/// So many refreshes at once, which need a row each and no hash, and how long the slowest took.
fn refresh_at_once(address: SocketAddr) -> (Vec<Reply>, Duration) {
    let began = Instant::now();
    let replies = std::thread::scope(|scope| {
        let some: Vec<_> = (0..MANY).map(|_| scope.spawn(|| refresh(address))).collect();
        some.into_iter().map(|one| one.join().unwrap()).collect()
    });
    (replies, began.elapsed())
}

/// Well-formed, alive for years, and nobody's.
fn unknown_token() -> String {
    let expiry: u32 = 1_900_000_000;
    format!("mrt1_{}", URL_SAFE_NO_PAD.encode([&expiry.to_be_bytes()[..], &[7; 32]].concat()))
}

fn files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count()
}

/// Everything that needs no database, and the two kinds of health.
#[track_caller]
fn assert_the_rest_goes_on(address: SocketAddr) {
    let began = Instant::now();
    assert_eq!(get(address, "/healthz").status, 200);
    assert_eq!(get(address, "/.well-known/jwks.json").status, 200);
    let refused = post(address, "/token", "grant_type=", &[]);
    assert_eq!((refused.status, &refused.json()["error"]), (400, &"invalid_request".into()), "{}", refused.body);
    // A sanity bound: milliseconds where nothing else runs.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    // The first one may have to give up on the database.
    assert_eq!(get(address, "/.well-known/oauth-authorization-server").status, 200);
    assert_eq!(get(address, "/readyz").status, 503);
}

#[track_caller]
fn assert_unavailable(reply: &Reply) {
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{}", reply.body);
    assert_eq!(reply.json()["error"], "temporarily_unavailable");
}

async fn lock(pool: &Pool) -> Transaction<'static, Postgres> {
    let mut holder = pool.begin().await.unwrap();
    let tables = "lock table myapi.refresh_tokens, myapi.families in access exclusive mode";
    sqlx::query(tables).execute(&mut *holder).await.unwrap();
    holder
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f03_an_exhausted_pool_is_503_and_the_rest_goes_on(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    assert_eq!(get(server.address, "/.well-known/oauth-authorization-server").status, 200);
    let holder = lock(&pool).await;
    let address = server.address;
    let waiting = std::thread::spawn(move || refresh_at_once(address));
    // Only then: a refresh of ours that got one of the connections would wait with the others.
    assert!(until(|| get(address, "/readyz").status == 503), "the pool is not exhausted");
    assert_unavailable(&refresh(address));
    assert_the_rest_goes_on(address);
    holder.rollback().await.unwrap();
    let (replies, _) = waiting.join().unwrap();
    // The pool's four got their answer when the lock was gone, unless this took longer than their deadline; the others heard
    // in time that there is no connection.
    let is_refused = |reply: &&Reply| reply.status == 400 && reply.json()["error"] == "invalid_grant";
    let (served, unserved): (Vec<_>, Vec<_>) = replies.iter().partition(is_refused);
    assert!(served.len() <= 4 && unserved.len() >= MANY - 4, "{replies:?}");
    unserved.iter().for_each(|reply| assert_unavailable(reply));
    assert!(until(|| get(address, "/readyz").status == 200), "it does not recover");
    assert_eq!(log_in(address).status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f04_a_silent_database_bounds_every_request_and_nothing_piles_up(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let options = pool.connect_options();
    let proxy = Proxy::start(Upstream::of(&options));
    let url = format!("postgres://{}@{}/{}", options.get_username(), proxy.address(), options.get_database().unwrap());
    let mut server = Binary::on(&pool).with("MYAPI_DATABASE__DEV", &url).serve();
    let address = server.address;
    assert_eq!(log_in(address).status, 200);
    assert_eq!(get(address, "/.well-known/oauth-authorization-server").status, 200);
    refresh_at_once(address);
    let before = files(&server);

    proxy.stall();
    let waiting = std::thread::spawn(move || refresh_at_once(address));
    assert!(until(|| get(address, "/readyz").status == 503), "it takes itself for ready");
    assert_the_rest_goes_on(address);
    let (replies, took) = waiting.join().unwrap();
    replies.iter().for_each(assert_unavailable);
    assert!(took < PATIENCE, "{took:?}");
    let (replies, _) = refresh_at_once(address);
    replies.iter().for_each(assert_unavailable);
    assert!(files(&server) <= before + 8, "{} and {before} files", files(&server));

    proxy.resume();
    assert!(until(|| get(address, "/readyz").status == 200), "it does not recover");
    assert_eq!(log_in(address).status, 200);

    // The host is gone without a word, and another one has its address.
    refresh_at_once(address);
    proxy.stall_present();
    assert!(until(|| log_in(address).status == 200), "connections that are dead are not thrown away");
    assert!(refresh_at_once(address).0.iter().all(|reply| reply.status == 400), "not all of them are");
    assert!(server.process.is_running());
}
