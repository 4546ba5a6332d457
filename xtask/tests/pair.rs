//! The two real binaries beside each other: start order, restarts and outages of either. S07, F25.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use support::is_possible;
use support::pair::{Pair, until};
use support::wire::ask;

/// The token with the name of a key that is in no set: `{"typ":"at+jwt","alg":"ES256","kid":"nobody"}`.
fn strange(token: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6Im5vYm9keSJ9.{rest}")
}

#[test]
fn f25_movies_api_first_has_no_keys_says_so_and_finds_them_by_itself() {
    if !is_possible("f25_movies_api_first_has_no_keys_says_so_and_finds_them_by_itself") {
        return;
    }
    let pair = Pair::new();
    let auth = pair.start_auth(&[]);
    let token = pair.log_in();
    auth.end("TERM");
    fs::write(pair.path("keys.json"), "{\"keys\":[").unwrap();
    let movies = pair.start_movies();
    assert_eq!(movies.count(&["the copy of the public keys on disk is not used", "damaged"]), 1, "{}", movies.log());
    let readiness = pair.readiness();
    assert_eq!(readiness.status, 503);
    assert_eq!(readiness.json()["detail"], "There is no key to check tokens with.");
    let refused = pair.present(&token);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("keys_unavailable")));
    assert!(refused.head.contains("\r\nretry-after: "), "{refused:?}");
    assert_eq!(ask(pair.movies, "GET", "/movies/1", "", "").json()["code"], "token_missing");

    let _auth = pair.start_auth(&[]);
    until("movies-api is ready", || pair.readiness().status == 200);
    let answer = pair.present(&token);
    assert_eq!(answer.json()["title"], "The Land Girls", "{answer:?}");
    until("a whole copy is in the damaged one's place", || {
        let text = fs::read_to_string(pair.path("keys.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|copy| copy["keys"].as_array().unwrap().len() == 1)
    });
}

#[test]
fn s07_an_outage_of_either_is_not_the_others() {
    if !is_possible("s07_an_outage_of_either_is_not_the_others") {
        return;
    }
    let pair = Pair::new();
    let (auth, movies) = (pair.start_auth(&[]), pair.start_movies());
    let token = pair.log_in();
    assert_eq!(pair.present(&token).status, 200);
    until("the copy is on disk", || pair.path("keys.json").exists());

    assert!(auth.end("TERM").success());
    assert_eq!((pair.present(&token).status, pair.readiness().status), (200, 200));
    assert!(movies.end("TERM").success());
    let movies = pair.start_movies();
    assert_eq!(movies.count(&["public keys taken from the copy on disk", "keys.age_seconds"]), 1, "{}", movies.log());
    assert_eq!(pair.present(&token).status, 200);
    assert!(pair.readiness().json()["keys_age"].is_u64());
    movies.end("KILL");
    let movies = pair.start_movies();
    assert_eq!((pair.present(&token).status, pair.present(&strange(&token)).status), (200, 401));

    let auth = pair.start_auth(&[]);
    let new = pair.log_in();
    assert_eq!((pair.present(&token).status, pair.present(&new).status), (200, 200));
    movies.end("KILL");
    let newest = pair.log_in();
    auth.end("KILL");
    let _movies = pair.start_movies();
    for token in [token, new, newest] {
        assert_eq!(pair.present(&token).status, 200);
    }
}

#[test]
fn s07_a_token_is_good_for_the_whole_of_its_life_and_no_longer_without_auth_server() {
    if !is_possible("s07_a_token_is_good_for_the_whole_of_its_life_and_no_longer_without_auth_server") {
        return;
    }
    const LIFETIME: Duration = Duration::from_secs(3);
    let pair = Pair::new();
    let auth = pair.start_auth(&[("MYAPI_AUTH__ACCESS_TOKEN_TTL", "3")]);
    let _movies = pair.start_movies();
    let asked = Instant::now();
    let token = pair.log_in();
    auth.end("KILL");
    assert_eq!(pair.present(&token).status, 200);
    until("the token has expired", || match pair.present(&token).status {
        200 => false,
        status => {
            // `exp` is in whole seconds, so up to one may be missing; the leeway adds five.
            assert!(status == 401 && asked.elapsed() + Duration::from_secs(1) >= LIFETIME, "{status}");
            true
        }
    });
}

#[test]
fn a_new_signing_key_costs_one_fetch_and_outlives_an_outage() {
    if !is_possible("a_new_signing_key_costs_one_fetch_and_outlives_an_outage") {
        return;
    }
    let pair = Pair::new();
    let auth = pair.start_auth(&[("MYAPI_AUTH__KEY_RELOAD", "1")]);
    let movies = pair.start_movies();
    let fetches = || auth.count(&["/.well-known/jwks.json", "answered"]);
    let old = pair.log_in();
    assert_eq!((pair.present(&old).status, fetches()), (200, 1));

    pair.run("auth-server", &["key", "generate", "--activate"], "");
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    let mut new = String::new();
    until("the new key signs", || {
        new = pair.log_in();
        header(&new) != header(&old)
    });
    assert_eq!(fetches(), 1, "nobody has asked for the new key yet");
    thread::scope(|scope| {
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(|| pair.present(&new).status)).collect();
        assert!(requests.into_iter().all(|request| request.join().unwrap() == 200));
    });
    assert_eq!((pair.present(&old).status, fetches()), (200, 2));

    until("both keys are on disk", || {
        let text = fs::read_to_string(pair.path("keys.json")).unwrap();
        text.matches("\"kid\"").count() == 2
    });
    auth.end("KILL");
    movies.end("KILL");
    let _movies = pair.start_movies();
    assert_eq!((pair.present(&old).status, pair.present(&new).status), (200, 200));
    let _auth = pair.start_auth(&[]);
    assert_eq!((pair.present(&old).status, pair.present(&pair.log_in()).status), (200, 200));
}

/// Worse than an outage: connections are taken and never answered.
#[test]
fn s07_an_auth_server_that_hangs_holds_up_nobody_for_long() {
    if !is_possible("s07_an_auth_server_that_hangs_holds_up_nobody_for_long") {
        return;
    }
    let pair = Pair::new();
    let (auth, movies) = (pair.start_auth(&[]), pair.start_movies());
    let token = pair.log_in();
    until("the copy is on disk", || pair.path("keys.json").exists());
    auth.signal("STOP");
    thread::scope(|scope| {
        let strange = scope.spawn(|| pair.present(&strange(&token)).status);
        while !strange.is_finished() {
            assert_eq!(pair.present(&token).status, 200, "while another request waits for a fetch");
        }
        assert_eq!(strange.join().unwrap(), 401);
    });
    movies.end("KILL");
    let _movies = pair.start_movies();
    assert_eq!((pair.present(&token).status, pair.readiness().status), (200, 200));
    auth.signal("CONT");
    let new = pair.log_in();
    assert_eq!(pair.present(&new).status, 200);
}
