//! Expired refresh tokens go with their partition, however many they are, while others are refreshed. `cargo xtask soak
//! partition-drop` does it with a million rows.
//!
//! Three times are told, all of them of rows that lie on the disk as rows of a day ago do:
//!
//! 1. How long the statement holds its locks, which is all that a request could notice.
//! 2. How long it takes with its commit, behind which Postgres gives the files back: most of it is the kernel, which
//!    frees every page of them, some 0.2 ms for each MB; a million rows with their index are 200 MB.
//! 3. How long a whole run of housekeeping takes that finds such a partition.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use auth_server::housekeeping::Housekeeping;
use shared::db::{DbError, Pool};
use shared::testing::figures::{rounds, tell, tell_at_most};
use sqlx::AssertSqlSafe;

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
    housekeeping.run().await.unwrap();
    let thousands = rounds(THOUSANDS);
    make_old_partition(&pool, thousands * 1000).await;
    make_older_partition(&pool, thousands * 1000).await;
    write_out(&pool).await;

    let load = Load::start(server.address);
    tokio::time::sleep(WATCH).await;
    let begun = Instant::now();
    let dropped = drop_partition(&pool).await;
    tokio::time::sleep(WATCH).await;
    let whole = housekeep(&housekeeping).await;
    tokio::time::sleep(WATCH).await;
    let times = load.stop();

    let rows = f64::from(thousands) * 1000.0;
    tell("drop", "rows dropped, twice", rows);
    tell("drop", "tries, for a reader is not waited for", f64::from(dropped.tries));
    tell_at_most("drop", "time under its locks, ms", dropped.locked.as_secs_f64() * 1e3, 100.0);
    tell_at_most("drop", "the removal with commit and files, ms", dropped.removed.as_secs_f64() * 1e3, 100.0);
    tell_at_most("drop", "a whole run of housekeeping that removes as many, ms", whole.as_secs_f64() * 1e3, 100.0);
    let idle = p99_ms(times.iter().filter(|(at, _)| *at < begun).map(|time| time.1));
    let around = p99_ms(times.iter().filter(|(at, _)| *at >= begun).map(|time| time.1));
    tell("drop", "refresh p99 before, ms", idle);
    tell_at_most("drop", "refresh p99 around the drop, ms", around, idle * 2.0 + 20.0);
    let longest = times.iter().filter(|(at, _)| *at >= begun).map(|time| time.1).max().unwrap();
    tell("drop", "slowest refresh around the drop, ms", longest.as_secs_f64() * 1e3);
    assert!(until(|| super::wire::get(server.address, "/readyz").status == 200));
    assert_eq!(housekeeping.run().await.unwrap().dropped, 0, "nothing is left of it");
    assert_eq!(app.live_leaves().await, i64::try_from(CLIENTS).unwrap());
    server.stop();
}

/// What the last try, in which nobody was in the way, took.
struct Dropped {
    tries: u32,
    locked: Duration,
    removed: Duration,
}

/// Tries until nobody was in the way.
async fn drop_partition(pool: &Pool) -> Dropped {
    for tries in 1..=1000 {
        let mut transaction = pool.begin().await.unwrap();
        let begun = Instant::now();
        let dropped = sqlx::query_scalar("select myapi.drop_partition('refresh_tokens', now())");
        match dropped.fetch_one(&mut *transaction).await {
            Ok(name) => {
                let (name, locked): (Option<String>, _) = (name, begun.elapsed());
                assert_eq!(name.as_deref(), Some("refresh_tokens_20230102"));
                transaction.commit().await.unwrap();
                return Dropped { tries, locked, removed: begun.elapsed() };
            }
            Err(error) => assert!(DbError::from(error).is_unavailable()),
        }
    }
    panic!("somebody was always in the way");
}

/// The run in which nobody was in the way.
async fn housekeep(housekeeping: &Housekeeping) -> Duration {
    for _ in 1..=1000 {
        let begun = Instant::now();
        match housekeeping.run().await {
            Ok(done) => {
                assert_eq!(done.dropped, 1);
                return begun.elapsed();
            }
            Err(error) => assert!(error.is_unavailable()),
        }
    }
    panic!("somebody was always in the way");
}

async fn make_older_partition(pool: &Pool, rows: u32) {
    let statements = format!(
        "create table myapi.refresh_tokens_20230102 partition of myapi.refresh_tokens
             for values from ('2023-01-02 00:00:00+00') to ('2023-01-09 00:00:00+00');
         insert into myapi.refresh_tokens (token_hash, expires_at, family_id, created_at)
             select sha256(n::text::bytea), '2023-01-04', gen_random_uuid(), '2023-01-02'
             from generate_series(1, {rows}) n"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(pool).await.unwrap();
}

/// Rows that expired have been on the disk for a day at least; what is under way to it would be waited for.
async fn write_out(pool: &Pool) {
    sqlx::query("checkpoint").execute(pool).await.unwrap();
    rustix::fs::sync();
}
