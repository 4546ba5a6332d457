//! F11: the end of a process that has work under way. The work is a request that waits for a lock which the test holds.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shared::testing::raw::beside;
use sqlx::{ConnectOptions as _, PgPool, Postgres, Transaction};

use crate::process::{House, PATIENCE, Server};
use crate::support::insert_some;

const WAITING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'movies-api' and wait_event_type = 'Lock'";

/// A reader whose answer has to wait.
async fn slow_reader(
    server: &Server,
    house: &House,
    pool: &PgPool,
) -> (Transaction<'static, Postgres>, tokio::task::JoinHandle<reqwest::Result<u16>>) {
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("lock table myapi.movies in access exclusive mode").execute(&mut *holder).await.unwrap();
    let request = reqwest::Client::new().get(server.url("/movies/1")).header("authorization", house.bearer());
    let reader = tokio::spawn(async { request.send().await.map(|answer| answer.status().as_u16()) });
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(WAITING).fetch_one(pool).await.unwrap() == 0 {
        assert!(Instant::now() < deadline, "the request did not get to the database");
    }
    (holder, reader)
}

async fn refuses(server: &Server) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !TcpStream::connect(server.address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f11_a_request_under_way_is_answered(pool: PgPool) {
    insert_some(&pool).await;
    let house = House::on(pool.connect_options().to_url_lossy().as_str());
    let mut server = house.serve();
    let (holder, reader) = slow_reader(&server, &house, &pool).await;
    server.signal(Signal::TERM);
    assert!(refuses(&server).await, "the listener stays open");
    assert!(server.is_running(), "it waits for the request");
    holder.rollback().await.unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), 200);
    assert_eq!(server.end().code(), Some(0));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f11_a_second_signal_ends_it_at_once(pool: PgPool) {
    insert_some(&pool).await;
    let house = House::on(pool.connect_options().to_url_lossy().as_str());
    let server = house.serve();
    let (holder, reader) = slow_reader(&server, &house, &pool).await;
    server.signal(Signal::TERM);
    server.line("draining");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(1));
    assert!(reader.await.unwrap().is_err(), "without an answer");
    holder.rollback().await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f11_a_rolling_restart_of_two_replicas_fails_no_request(pool: PgPool) {
    insert_some(&pool).await;
    let house = House::on(pool.connect_options().to_url_lossy().as_str());
    let first = [house.serve(), house.serve()];
    let urls = first.each_ref().map(|server| server.url("/movies/1"));
    let is_over = Arc::new(AtomicBool::new(false));
    let client = reqwest::Client::new();
    let readers = (0..4).map(|number: usize| {
        let (client, urls, bearer, is_over) = (client.clone(), urls.clone(), house.bearer(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                let ask = |at: usize| client.get(&urls[at % 2]).header("authorization", &bearer).send();
                // As a balancer does: the other one where this one is not there.
                let answer = match ask(number + asked).await {
                    Ok(answer) => answer,
                    Err(_) => ask(number + asked + 1).await.unwrap(),
                };
                assert_eq!(answer.status(), 200);
                assert!(answer.text().await.unwrap().contains("movie_id"));
                asked += 1;
            }
            asked
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut later = Vec::new();
    for server in first {
        let address = server.address.to_string();
        server.signal(Signal::TERM);
        // Meanwhile the readers go on.
        let ended = beside(move || server.end()).await;
        assert_eq!(ended.code(), Some(0));
        let replica = house.serve_at(&address, None);
        assert!(replica.becomes("/readyz", "", 200).await);
        later.push(replica);
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 2);
    }
}
