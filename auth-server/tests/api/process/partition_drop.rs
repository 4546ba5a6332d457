//! Expired refresh tokens go with their partition, however many they are, while others are refreshed. `cargo xtask soak
//! partition-drop` does it with a million rows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use auth_server::housekeeping::Housekeeping;
use shared::db::Pool;
use shared::testing::figures::{rounds, tell, tell_at_most};

use super::binary::{Binary, until};
use super::crash::{logged_in, refresh, refresh_token};
use crate::app::TestApp;
use crate::housekeeping::make_old_partition;

/// Rows of the old partition; a round is a thousand.
const THOUSANDS: u32 = 20;
/// How long it is watched, before the drop and around it.
const WATCH: Duration = Duration::from_secs(2);
const CLIENTS: usize = 4;

/// Refreshes without end: when each was answered, and how long it took.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<(Instant, Duration)>>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CLIENTS).map(|_| {
            let (stop, mut newest) = (Arc::clone(&stop), logged_in(address));
            std::thread::spawn(move || {
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    newest = refresh_token(&refresh(address, &newest));
                    times.push((Instant::now(), begun.elapsed()));
                    std::thread::sleep(Duration::from_millis(5));
                }
                times
            })
        });
        Self { threads: threads.collect(), stop }
    }

    fn stop(self) -> Vec<(Instant, Duration)> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

fn p99_ms(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times[times.len() * 99 / 100].as_secs_f64() * 1e3
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_partition_of_expired_tokens_goes_at_once_while_others_are_refreshed(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).with("MYAPI_AUTH__HOUSEKEEPING", "86400").serve();
    // What the server does at its start, and what is not the drop, is done before.
    let housekeeping = Housekeeping::new(pool.clone(), app.clock.clone(), Duration::from_secs(90 * 86_400));
    assert_eq!(keep_house(&housekeeping).await.1, 0);
    let thousands = rounds(THOUSANDS);
    make_old_partition(&pool, thousands * 1000).await;

    let load = Load::start(server.address);
    tokio::time::sleep(WATCH).await;
    let begun = Instant::now();
    let (tries, dropped, took) = keep_house(&housekeeping).await;
    assert_eq!(dropped, 1);
    tokio::time::sleep(WATCH).await;
    let times = load.stop();

    let rows = f64::from(thousands) * 1000.0;
    tell("drop", "rows dropped", rows);
    tell("drop", "tries, for a reader is not waited for", f64::from(tries));
    tell_at_most("drop", "time of the drop, ms", took.as_secs_f64() * 1e3, 100.0);
    let idle = p99_ms(times.iter().filter(|(at, _)| *at < begun).map(|time| time.1));
    let around = p99_ms(times.iter().filter(|(at, _)| *at >= begun).map(|time| time.1));
    tell("drop", "refresh p99 before, ms", idle);
    tell_at_most("drop", "refresh p99 around the drop, ms", around, idle * 2.0 + 20.0);
    let longest = times.iter().filter(|(at, _)| *at >= begun).map(|time| time.1).max().unwrap();
    tell("drop", "slowest refresh around the drop, ms", longest.as_secs_f64() * 1e3);
    assert!(until(|| super::wire::get(server.address, "/readyz").status == 200));
    assert_eq!(app.live_leaves().await, i64::try_from(CLIENTS).unwrap());
    server.stop();
}

/// Runs until nobody was in the way: tries, partitions dropped, and the time of the last.
async fn keep_house(housekeeping: &Housekeeping) -> (u32, u32, Duration) {
    for tries in 1..=1000 {
        let begun = Instant::now();
        match housekeeping.run().await {
            Ok(done) => return (tries, done.dropped, begun.elapsed()),
            Err(error) => assert!(error.is_unavailable(), "{error}"),
        }
    }
    panic!("somebody was always in the way");
}
