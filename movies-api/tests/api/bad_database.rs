//! A database that is busy, silent or gone without a word (faults F03 and F04): 503 in time, and what needs no database
//! goes on.

use std::time::{Duration, Instant};

use shared::testing::{Proxy, Upstream};
use sqlx::{ConnectOptions as _, PgPool};

use crate::process::{House, PATIENCE, Server};
use crate::support::insert_some;

/// More than the service has connections.
const MANY: usize = 16;

/// Status, `Retry-After` and code of so many readers at once, each of whom has to hear within the deadline of a request.
async fn read_at_once(server: &Server, bearer: &str) -> Vec<(u16, String)> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let readers = (0..MANY).map(|_| {
        let request = client.get(server.url("/movies/1")).header("authorization", bearer);
        tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            let after = answer.headers().get("retry-after").map_or("", |value| value.to_str().unwrap()).to_owned();
            (answer.status().as_u16(), after)
        })
    });
    let mut answers = Vec::new();
    for reader in readers.collect::<Vec<_>>() {
        answers.push(reader.await.unwrap());
    }
    answers
}

async fn assert_the_rest_goes_on(server: &Server) {
    let began = Instant::now();
    assert_eq!(server.get("/healthz", "").await, 200);
    assert_eq!(server.get("/movies/1", "Bearer nonsense").await, 401);
    assert_eq!(server.get("/movies/1", "").await, 401);
    // A sanity bound: milliseconds where nothing else runs.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f03_an_exhausted_pool_is_503_and_the_rest_goes_on(pool: PgPool) {
    insert_some(&pool).await;
    let house = House::on(pool.connect_options().to_url_lossy().as_str());
    let (server, bearer) = (house.serve(), house.bearer());
    assert_eq!(server.get("/movies/1", &bearer).await, 200);
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("lock table myapi.movies in access exclusive mode").execute(&mut *holder).await.unwrap();
    let (answers, ()) = tokio::join!(read_at_once(&server, &bearer), async {
        // Only then: a reader of ours that got one of the connections would wait with the others.
        assert!(server.becomes("/readyz", "", 503).await, "the pool is not exhausted");
        assert_eq!(server.get("/movies/1", &bearer).await, 503);
        assert_the_rest_goes_on(&server).await;
        holder.rollback().await.unwrap();
    });
    let unserved = answers.iter().filter(|answer| **answer == (503, "1".to_owned())).count();
    let served = answers.iter().filter(|answer| answer.0 == 200).count();
    assert!(unserved >= MANY - 10 && unserved + served == MANY, "{answers:?}");
    assert!(server.becomes("/readyz", "", 200).await, "it does not recover");
    assert_eq!(server.get("/movies/1", &bearer).await, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f04_a_silent_database_bounds_every_request_and_nothing_piles_up(pool: PgPool) {
    insert_some(&pool).await;
    let options = pool.connect_options();
    let proxy = Proxy::start(Upstream::of(&options));
    let url = format!("postgres://{}@{}/{}", options.get_username(), proxy.address(), options.get_database().unwrap());
    let house = House::on(&url);
    let (mut server, bearer) = (house.serve(), house.bearer());
    assert!(read_at_once(&server, &bearer).await.iter().all(|answer| answer.0 == 200));
    let before = server.files();

    proxy.stall();
    let (answers, ()) = tokio::join!(read_at_once(&server, &bearer), async {
        assert!(server.becomes("/readyz", "", 503).await, "it takes itself for ready");
        assert_the_rest_goes_on(&server).await;
    });
    assert!(answers.iter().all(|answer| *answer == (503, "1".to_owned())), "{answers:?}");
    let answers = read_at_once(&server, &bearer).await;
    assert!(answers.iter().all(|answer| *answer == (503, "1".to_owned())), "{answers:?}");
    assert!(server.files() <= before + 8, "{} and {before} files", server.files());

    proxy.resume();
    assert!(server.becomes("/readyz", "", 200).await, "it does not recover");
    assert!(server.becomes("/movies/1", &bearer, 200).await, "it does not recover");

    // The host is gone without a word, and another one has its address.
    read_at_once(&server, &bearer).await;
    proxy.stall_present();
    assert!(server.becomes("/movies/1", &bearer, 200).await, "connections that are dead are not thrown away");
    let answers = read_at_once(&server, &bearer).await;
    assert!(answers.iter().all(|answer| answer.0 == 200), "not all of them are: {answers:?}");
    assert!(server.is_running());
}
