//! A connection pooler between the services and Postgres: one that loses prepared statements is refused, and told why. F21.
//! The real one is Debian's PgBouncer 1.18, which loses them in transaction mode.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use shared::testing::{Statements, TransactionPooler, Upstream};
use support::is_possible;
use support::pair::{Pair, login, until};
use support::pgbouncer::PgBouncer;
use support::wire::{ask, post, present};

/// A sanity bound; a refusal takes less than a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a command that is to end by itself.
fn ended(pair: &Pair, binary: &str, args: &[&str]) -> Output {
    let mut child = pair.spawn(binary, args);
    drop(child.stdin.take());
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{binary} {args:?} goes on: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn through(pair: &mut Pair, url: &str) {
    pair.set("MYAPI_AUTH__DATABASE_URL", url);
    pair.set("MYAPI_MOVIES__DATABASE_URL", url);
}

/// What it says of the check, as JSON.
fn look(output: &Output, check: &str) -> (String, String) {
    let looks: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let look = looks.iter().find(|look| look["check"] == check).unwrap_or_else(|| panic!("no {check}: {looks:?}"));
    (look["health"].as_str().unwrap().to_owned(), look["text"].as_str().unwrap().to_owned())
}

#[test]
fn f21_a_pooler_that_loses_statements_is_refused_by_both_and_session_mode_works() {
    let test = "f21_a_pooler_that_loses_statements_is_refused_by_both_and_session_mode_works";
    if !is_possible(test) {
        return;
    }
    let mut pair = Pair::new();
    let Some(mut pooler) = PgBouncer::find(test, &pair.path(""), pair.database()) else { return };
    through(&mut pair, &pooler.url());

    pooler.start("transaction");
    let commands: [(&str, &[&str]); 5] = [
        ("auth-server", &["serve"]),
        ("movies-api", &["serve"]),
        ("auth-server", &["migrate"]),
        ("auth-server", &["user", "list"]),
        ("movies-api", &["export"]),
    ];
    for (binary, args) in commands {
        let refused = ended(&pair, binary, args);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{binary} {args:?}: {told}");
        for word in
            ["loses prepared statements", "PgBouncer 1.21 or later with max_prepared_statements > 0", "session mode"]
        {
            assert!(told.contains(word), "{binary} {args:?}: {word}: {told}");
        }
        assert!(refused.stdout.is_empty(), "nothing that it might have read wrongly: {refused:?}");
    }
    for binary in ["auth-server", "movies-api"] {
        let ill = ended(&pair, binary, &["doctor", "--output", "json"]);
        assert_eq!(ill.status.code(), Some(1), "{ill:?}");
        let (health, text) = look(&ill, "pooler");
        assert!(health == "wrong" && text.contains("max_prepared_statements"), "{text}");
    }

    pooler.start("session");
    let (_auth, movies) = (pair.start_auth(&[]), pair.start_movies());
    until("movies-api takes a token", || present(pair.movies, &pair.log_in()).status == 200);
    assert_eq!(movies.count(&["no hints of new revocations"]), 0, "a session can listen");
    for binary in ["auth-server", "movies-api"] {
        let well = ended(&pair, binary, &["doctor", "--output", "json"]);
        assert_eq!(look(&well, "pooler").0, "ok", "{well:?}");
    }
    assert!(ended(&pair, "auth-server", &["migrate"]).status.success());
}

/// As PgBouncer 1.21 and later do it, by a stand-in: no package of them is to be had everywhere.
#[test]
fn f21_through_a_pooler_that_carries_statements_over_both_work() {
    if !is_possible("f21_through_a_pooler_that_carries_statements_over_both_work") {
        return;
    }
    let mut pair = Pair::new();
    let pooler = TransactionPooler::start(Upstream::of_url(pair.database()), Statements::Carried);
    let database = pair.database().split("?host=").next().unwrap().rsplit('/').next().unwrap().to_owned();
    let direct = pair.database().to_owned();
    through(&mut pair, &format!("postgres://postgres@{}/{database}", pooler.address()));
    let refused = ended(&pair, "auth-server", &["migrate"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && told.contains("MYAPI_AUTH__DIRECT_DATABASE_URL"), "{told}");
    let note = ended(&pair, "auth-server", &["doctor", "--output", "json"]);
    assert_eq!(look(&note, "pooler").0, "note", "{note:?}");

    let (_auth, movies) = (pair.start_auth(&[]), pair.start_movies());
    until("movies-api takes a token", || present(pair.movies, &pair.log_in()).status == 200);
    assert_eq!(movies.count(&["the feed is read every half second alone"]), 1, "{}", movies.log());
    let token = pair.log_in();
    assert_eq!(post(pair.auth, "/revoke", &format!("client_id=demo&token={token}")).status, 200);
    until("a revoked token is refused", || present(pair.movies, &token).status == 401);

    pair.set("MYAPI_AUTH__DIRECT_DATABASE_URL", &direct);
    assert!(ended(&pair, "auth-server", &["migrate"]).status.success());
    let well = ended(&pair, "auth-server", &["doctor", "--output", "json"]);
    assert_eq!((look(&well, "pooler").0.as_str(), look(&well, "direct").0.as_str()), ("ok", "ok"), "{well:?}");
}

#[test]
fn f21_whoever_started_before_the_database_or_loses_a_statement_while_serving_ends() {
    let test = "f21_whoever_started_before_the_database_or_loses_a_statement_while_serving_ends";
    if !is_possible(test) {
        return;
    }
    let mut pair = Pair::new();
    let Some(mut pooler) = PgBouncer::find(test, &pair.path(""), pair.database()) else { return };
    through(&mut pair, &pooler.url());
    let mut movies = pair.start_movies();
    assert_eq!(pair.readiness().status, 503);
    pooler.start("transaction");
    let told = movies.ended(PATIENCE);
    assert!(told.contains("loses prepared statements"), "{told}");

    // The mode is changed under them.
    pooler.start("session");
    let (mut auth, mut movies) = (pair.start_auth(&[]), pair.start_movies());
    until("movies-api takes a token", || present(pair.movies, &pair.log_in()).status == 200);
    let token = pair.log_in();
    pooler.start("transaction");
    let is_over = || auth.is_over() && movies.is_over();
    thread::scope(|scope| {
        for _ in 0..4 {
            // Until both have met a session that lacks their statement; what is answered before is 503, or right.
            scope.spawn(|| {
                for _ in 0..400 {
                    let _ = post(pair.auth, "/token", &login("ann@example.com"));
                    let _ = (present(pair.movies, &token), ask(pair.auth, "GET", "/readyz", "", ""));
                }
            });
        }
    });
    until("both have ended", is_over);
    for told in [auth.ended(PATIENCE), movies.ended(PATIENCE)] {
        assert!(told.contains("loses prepared statements (SQLSTATE 26000"), "{told}");
    }
}
