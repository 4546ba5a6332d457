//! Connections that are handed on.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use shared::db::relay::Lent;
use shared::db::{self, Conn, Pool, Relay};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};

/// A sanity bound for what takes milliseconds.
const LONG: Duration = Duration::from_secs(30);

/// A relay over one connection, and how often that was given back to its pool.
fn relay(options: PgConnectOptions) -> (Relay, Arc<AtomicU32>) {
    let returned = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&returned);
    let pool = PgPoolOptions::new().test_before_acquire(false).max_connections(1).acquire_timeout(LONG).after_release(
        move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(true) })
        },
    );
    (Relay::new(pool.connect_lazy_with(options)), returned)
}

async fn pid(conn: &mut Conn) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(conn).await.unwrap()
}

/// Somebody who waits already when this returns.
async fn waiter(relay: &Relay) -> tokio::task::JoinHandle<Lent> {
    let relay = relay.clone();
    let waiting = tokio::spawn(async move { relay.acquire().await.unwrap() });
    // One thread: it runs up to where it waits.
    tokio::task::yield_now().await;
    waiting
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn who_waits_gets_the_connection_without_the_pool(_: PgPoolOptions, options: PgConnectOptions) {
    let (relay, returned) = relay(options);
    let mut first = relay.acquire().await.unwrap();
    let of_first = pid(&mut first).await;
    let waiting = waiter(&relay).await;
    first.hand_on();
    let mut second = waiting.await.unwrap();
    assert_eq!(returned.load(Ordering::SeqCst), 0);
    assert_eq!(pid(&mut second).await, of_first);
    // Nobody waits: whoever comes next has it.
    second.hand_on();
    let third = relay.acquire().await.unwrap();
    assert_eq!(returned.load(Ordering::SeqCst), 0);
    // Nobody comes: it is the pool's again.
    third.hand_on();
    drop(relay.pool().acquire().await.unwrap());
    assert!(returned.load(Ordering::SeqCst) > 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn who_gave_up_waiting_loses_nothing_to_others(_: PgPoolOptions, options: PgConnectOptions) {
    let (relay, _) = relay(options);
    let first = relay.acquire().await.unwrap();
    let gone = waiter(&relay).await;
    let stays = waiter(&relay).await;
    gone.abort();
    assert!(gone.await.is_err_and(|error| error.is_cancelled()));
    first.hand_on();
    pid(&mut stays.await.unwrap()).await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn work_that_is_dropped_is_rolled_back_and_not_handed_on(_: PgPoolOptions, options: PgConnectOptions) {
    let (relay, returned) = relay(options);
    let count = "select count(*) from myapi.resource_servers where audience = 'https://relay.example'";
    let insert = "insert into myapi.resource_servers (audience, name) values ('https://relay.example', 'Relay')";
    let mut work = relay.begin().await.unwrap();
    sqlx::query(insert).execute(&mut *work).await.unwrap();
    let waiting = waiter(&relay).await;
    drop(work);
    let mut next = waiting.await.unwrap();
    assert_eq!(returned.load(Ordering::SeqCst), 1, "the pool looked at it");
    let found: i64 = sqlx::query_scalar(count).fetch_one(&mut *next).await.unwrap();
    assert_eq!(found, 0);
    drop(next);

    let mut work = relay.begin().await.unwrap();
    sqlx::query(insert).execute(&mut *work).await.unwrap();
    let waiting = waiter(&relay).await;
    work.commit().await.unwrap();
    let found: i64 = sqlx::query_scalar(count).fetch_one(&mut *waiting.await.unwrap()).await.unwrap();
    assert_eq!(found, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_connection_is_the_pools_again_before_long(_: PgPoolOptions, options: PgConnectOptions) {
    let (relay, returned) = relay(options);
    let pool: Pool = relay.pool().clone();
    // Three who never let go, and one who asks the pool itself.
    let busy: Vec<_> = (0..3)
        .map(|_| {
            let relay = relay.clone();
            tokio::spawn(async move {
                loop {
                    let mut lent = relay.acquire().await.unwrap();
                    pid(&mut lent).await;
                    lent.hand_on();
                }
            })
        })
        .collect();
    let began = Instant::now();
    for _ in 0..3 {
        drop(pool.acquire().await.unwrap());
    }
    assert!(began.elapsed() < LONG);
    assert!(returned.load(Ordering::SeqCst) >= 3);
    for task in busy {
        task.abort();
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn no_connection_is_given_up_while_it_is_being_opened(_: PgPoolOptions, options: PgConnectOptions) {
    const MOST: u32 = 5;
    let opened = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&opened);
    let pool =
        PgPoolOptions::new().test_before_acquire(false).max_connections(MOST).acquire_timeout(LONG).after_connect(
            move |_, _| {
                count.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Ok(()) })
            },
        );
    let options = options.application_name("relay");
    let relay = Relay::new(pool.connect_lazy_with(options.clone()));
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let relay = relay.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let mut lent = relay.acquire().await.unwrap();
                    pid(&mut lent).await;
                    lent.hand_on();
                }
            })
        })
        .collect();
    for task in asking {
        task.await.unwrap();
    }
    // As many as the server ever saw, too: an attempt that was given up would be one more.
    assert_eq!((opened.load(Ordering::SeqCst), relay.pool().size()), (MOST, MOST));
    let seen: i64 = sqlx::query_scalar("select count(*) from pg_stat_activity where application_name = 'relay'")
        .fetch_one(&mut *relay.acquire().await.unwrap())
        .await
        .unwrap();
    assert_eq!(seen, i64::from(MOST));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_pool_that_is_closed_gets_what_was_kept(_: PgPoolOptions, options: PgConnectOptions) {
    let (relay, _) = relay(options);
    relay.acquire().await.unwrap().hand_on();
    tokio::time::timeout(LONG, relay.pool().close()).await.unwrap();
    assert_eq!(relay.pool().size(), 0);
    assert!(relay.acquire().await.is_err_and(|error| error.is_unavailable()));
}

/// sqlx counts a transaction from the answer to its `begin` on: one that was given up before is none to it, and is one to
/// the server. Whoever had the connection next would write into it.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_begin_that_was_given_up_leaves_no_transaction_behind(_: PgPoolOptions, options: PgConnectOptions) {
    let relay = Relay::new(db::pool(options.clone(), 1, "test"));
    relay.acquire().await.unwrap().hand_on();
    let mut begin = Box::pin(relay.begin());
    // As a request whose client hangs up: the watch goes first.
    let watch = db::Watch::new();
    assert!(poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_pending())).await);
    drop(watch);
    drop(begin);
    sqlx::raw_sql("create table myapi.seen ()").execute(relay.pool()).await.unwrap();
    let mut other = PgConnection::connect_with(&options).await.unwrap();
    let query = sqlx::query_scalar("select to_regclass('myapi.seen') is not null");
    let is_seen: bool = query.fetch_one(&mut other).await.unwrap();
    assert!(is_seen, "it was created inside a transaction that nobody ends");
}
