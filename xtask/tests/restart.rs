//! Postgres restarts under mixed load: every answer is right or 503, and all goes on by itself. F01.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shared::testing::figures::{rounds, tell, tell_at_most};
use support::is_possible;
use support::pair::{Pair, login, until};
use support::wire::{Answer, post, present};

const RESTARTS: u32 = 2;
/// Families that are refreshed all the while.
const FAMILIES: usize = 4;
/// Between two requests of one of the eight threads: some fifty a second altogether.
const PACE: Duration = Duration::from_millis(150);
/// Load before each stop, and how long the server is away.
const BEFORE: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_millis(1500);
/// Where there is nothing else to do.
const SOON: f64 = 2.0;
const LOGIN_CLIENT: [&str; 10] = [
    "client",
    "create",
    "app",
    "--public",
    "--grant",
    "password",
    "--grant",
    "refresh_token",
    "--scope",
    "movies:read",
];

/// What the threads saw.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    answers: Mutex<Vec<(&'static str, u16, Instant, Duration)>>,
    wrong: Mutex<Vec<String>>,
}

impl Seen {
    /// Asks over and over; an answer has to be this status, or 503 with the time to come back.
    fn ask(&self, what: &'static str, right: u16, mut ask: impl FnMut() -> Answer) {
        while !self.is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer = ask();
            let put_off = answer.status == 503 && answer.header("retry-after").is_some();
            if answer.status != right && !put_off {
                self.wrong.lock().unwrap().push(format!("{what}: {answer:?}"));
            }
            self.answers.lock().unwrap().push((what, answer.status, Instant::now(), begun.elapsed()));
            thread::sleep(PACE);
        }
    }

    /// How long after that instant each kind was answered well for the first time; `None` while one is missing.
    fn first_success(&self, since: Instant) -> Option<BTreeMap<&'static str, Duration>> {
        let mut first = BTreeMap::new();
        for (what, status, at, _) in self.answers.lock().unwrap().iter() {
            if matches!(status, 200 | 401) && *at >= since {
                first.entry(*what).or_insert(*at - since);
            }
        }
        (first.len() == 5).then_some(first)
    }

    fn count(&self, status: u16) -> f64 {
        let count = self.answers.lock().unwrap().iter().filter(|answer| answer.1 == status).count();
        f64::from(u32::try_from(count).unwrap())
    }
}

fn log_in(pair: &Pair) -> Answer {
    post(pair.auth, "/token", &format!("grant_type=password&client_id=app&{}", login("ann@example.com")))
}

/// Presents the newest token that it knows: an answer that never came, or 503, is asked for once more with the same.
fn refresh(pair: &Pair, newest: &mut String) -> Answer {
    let form = format!("grant_type=refresh_token&client_id=app&refresh_token={newest}");
    let answer = post(pair.auth, "/token", &form);
    if answer.status == 200 {
        *newest = answer.text("refresh_token");
    }
    answer
}

#[test]
fn f01_restarts_of_postgres_are_503_and_lose_nobody_a_login() {
    if !is_possible("f01_restarts_of_postgres_are_503_and_lose_nobody_a_login") {
        return;
    }
    let mut pair = Pair::with_ordered_postgres();
    // A retry is a retry however slow the machine is.
    pair.set("MYAPI_AUTH__REFRESH_RETRY_WINDOW", "60");
    pair.run("auth-server", &LOGIN_CLIENT, "");
    let client = pair.service_client("service");
    let (auth, movies) = (pair.start_auth(&[]), pair.start_movies());
    let good = log_in(&pair).text("access_token");
    // Its signature is another one's.
    let bad =
        format!("{}{}", &good[..good.len() - 8], if good.ends_with("AAAAAAAA") { "BBBBBBBB" } else { "AAAAAAAA" });
    until("movies-api takes the token", || present(pair.movies, &good).status == 200);
    let mut families: Vec<String> = (0..FAMILIES).map(|_| log_in(&pair).text("refresh_token")).collect();

    let (seen, pair_ref) = (Seen::default(), &pair);
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        let _over = Over(&seen.is_over);
        for newest in &mut families {
            scope.spawn(|| seen.ask("refresh", 200, || refresh(pair_ref, newest)));
        }
        scope.spawn(|| seen.ask("login", 200, || log_in(pair_ref)));
        scope.spawn(|| seen.ask("client credentials", 200, || post(pair_ref.auth, "/token", &client)));
        scope.spawn(|| seen.ask("movie", 200, || present(pair_ref.movies, &good)));
        scope.spawn(|| seen.ask("bad token", 401, || present(pair_ref.movies, &bad)));
        for round in 0..rounds(RESTARTS) {
            thread::sleep(BEFORE);
            pair.postgres().order(if round % 2 == 0 { "fast" } else { "immediate" });
            thread::sleep(AWAY);
            pair.postgres().order("start");
            let ready = Instant::now();
            until("all goes on", || seen.first_success(ready).is_some());
            slowest = slowest.max(seen.first_success(ready).unwrap().into_values().max().unwrap());
        }
    });
    for newest in &mut families {
        until("the login goes on", || refresh(&pair, newest).status == 200);
    }
    let wrong = seen.wrong.lock().unwrap();
    tell_at_most("restarts", "wrong answers", f64::from(u32::try_from(wrong.len()).unwrap()), 0.0);
    tell("restarts", "good answers", seen.count(200) + seen.count(401));
    tell("restarts", "put off (503)", seen.count(503));
    tell_at_most("restarts", "all served again after it is ready, s", slowest.as_secs_f64(), SOON);
    let longest = seen.answers.lock().unwrap().iter().map(|answer| answer.3).max().unwrap();
    tell("restarts", "slowest answer, s", longest.as_secs_f64());
    assert!(wrong.is_empty(), "{wrong:#?}\n{}\n{}", auth.log(), movies.log());
    assert!(seen.count(503) > 0.0, "the database was never missed");
    let bad_only: Vec<u16> =
        seen.answers.lock().unwrap().iter().filter(|it| it.0 == "bad token").map(|it| it.1).collect();
    assert!(bad_only.iter().all(|status| *status == 401), "a bad token is refused without the database: {bad_only:?}");
    for service in [&auth, &movies] {
        assert_eq!(service.count(&["panicked"]), 0);
    }
}

/// Raises the flag when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Postgres restarts while nobody asks: its old connections, at rest in the pools, cost nobody a 503.
#[test]
fn f01_who_asks_after_a_restart_at_rest_is_answered() {
    if !is_possible("f01_who_asks_after_a_restart_at_rest_is_answered") {
        return;
    }
    let pair = Pair::with_ordered_postgres();
    let client = pair.service_client("service");
    let (_auth, _movies) = (pair.start_auth(&[]), pair.start_movies());
    let token = pair.log_in();
    until("movies-api takes the token", || present(pair.movies, &token).status == 200);
    // Several connections each.
    let together = |ask: &(dyn Fn() -> Answer + Sync)| -> Vec<u16> {
        thread::scope(|scope| {
            let asked: Vec<_> = (0..16).map(|_| scope.spawn(|| ask().status)).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        })
    };
    let grants = || post(pair.auth, "/token", &client);
    let reads = || present(pair.movies, &token);
    assert_eq!((together(&grants), together(&reads)), (vec![200; 16], vec![200; 16]));

    for order in ["fast", "start"] {
        pair.postgres().order(order);
    }
    let since = Instant::now();
    until("they had their rest", || since.elapsed() > Duration::from_millis(600));
    assert_eq!((together(&grants), together(&reads)), (vec![200; 16], vec![200; 16]));
}
