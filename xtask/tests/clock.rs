//! An issuer whose clock differs, goes back, or is past 2038. F10, F29; the clocks of movies-api and of
//! the database are right all the while.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::clock::OtherClock;
use support::is_possible;
use support::pair::{Pair, login, until};
use support::service::Service;
use support::wire::{Answer, part, post, present};

/// Seconds.
const TTL: i64 = 600;
const HOUR: i64 = 3600;
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

/// A pair of which the issuer's clock is set by a file.
struct Scene {
    pair: Pair,
    clock: OtherClock,
}

impl Scene {
    fn new(test: &str) -> Option<Self> {
        if !is_possible(test) {
            return None;
        }
        let pair = Pair::new();
        let clock = OtherClock::find(test, &pair.path("clock"))?;
        pair.run("auth-server", &LOGIN_CLIENT, "");
        Some(Self { pair, clock })
    }

    fn start_issuer(&self, more: &[(&str, &str)]) -> Service {
        self.pair.start_auth(&[self.clock.settings().as_slice(), more].concat())
    }

    fn log_in(&self) -> Answer {
        good(&post(
            self.pair.auth,
            "/token",
            &format!("grant_type=password&client_id=app&{}", login("ann@example.com")),
        ))
    }

    fn refresh(&self, token: &str) -> Answer {
        post(self.pair.auth, "/token", &format!("grant_type=refresh_token&client_id=app&refresh_token={token}"))
    }

    /// What the resource server answers to a fresh token.
    fn present_new(&self) -> u16 {
        present(self.pair.movies, &self.log_in().text("access_token")).status
    }
}

/// A good answer, in which no token ends before it begins.
#[track_caller]
fn good(answer: &Answer) -> Answer {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(lifetime(&answer.text("access_token")), answer.json()["expires_in"].as_i64().unwrap());
    Answer { status: answer.status, head: answer.head.clone(), body: answer.body.clone() }
}

#[track_caller]
fn lifetime(token: &str) -> i64 {
    let claims = part(token, 1);
    let [iat, exp] = ["iat", "exp"].map(|claim| claims[claim].as_i64().unwrap());
    assert!(iat < exp, "{claims}");
    exp - iat
}

fn issued(token: &str) -> i64 {
    part(token, 1)["iat"].as_i64().unwrap()
}

#[test]
fn f10_small_differences_are_borne_and_larger_ones_are_refused_with_their_seconds() {
    let Some(scene) = Scene::new("f10_small_differences_are_borne_and_larger_ones_are_refused_with_their_seconds")
    else {
        return;
    };
    let _issuer = scene.start_issuer(&[]);
    let movies = scene.pair.start_movies();
    until("movies-api takes a token", || scene.present_new() == 200);
    // Between a token's issue and its check time goes on, in one direction only: ahead, less and less is missing.
    for (skew, status) in [("+4s", 200), ("-4s", 200), ("-300s", 200), ("+300s", 401), ("+3600s", 401), ("-700s", 401)]
    {
        scene.clock.set(skew);
        assert_eq!(scene.present_new(), status, "{skew}");
    }
    scene.clock.set("+0s");
    assert_eq!(scene.present_new(), 200);
    let told = |what: &str, least: i64, most: i64| {
        let log = movies.log();
        let told = log.lines().filter_map(|line| line.split_once(what)?.1.split(' ').next()?.parse::<i64>().ok());
        let told: Vec<i64> = told.collect();
        assert!(told.iter().any(|seconds| (least..=most).contains(seconds)), "{what}{told:?}: {log}");
    };
    // Whoever is slow sees less of what lies ahead, and more of what is past.
    told("issued ", 250, 300);
    told("issued ", 3500, 3600);
    told("expired ", 100, 150);
}

#[test]
fn f10_f29_a_clock_that_goes_back_makes_no_token_that_ends_before_it_begins_or_never() {
    let test = "f10_f29_a_clock_that_goes_back_makes_no_token_that_ends_before_it_begins_or_never";
    let Some(scene) = Scene::new(test) else { return };
    let _issuer = scene.start_issuer(&[("MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL", "1800")]);
    let before = scene.log_in();
    scene.clock.set("-3600s");
    let after = scene.log_in();
    let back = issued(&before.text("access_token")) - issued(&after.text("access_token"));
    assert!((HOUR - 60..=HOUR).contains(&back), "{back}");
    assert_eq!(lifetime(&after.text("access_token")), TTL);
    // A login from the future goes on, and what it gives begins and ends by the clock of now.
    let next = good(&scene.refresh(&before.text("refresh_token")));
    assert_eq!(lifetime(&next.text("access_token")), TTL);
    // The same retry gets the same answer, though its first use seems to lie ahead.
    let again = good(&scene.refresh(&before.text("refresh_token")));
    assert_eq!(again.text("refresh_token"), next.text("refresh_token"));
    // By the database's clock these have ended half an hour ago; but one clock decides, and it is not that one.
    good(&scene.refresh(&after.text("refresh_token")));
    let next = good(&scene.refresh(&next.text("refresh_token")));
    // Half an hour is half an hour: an idle login ends, whichever way the clock went.
    scene.clock.set("+3600s");
    for token in [after.text("refresh_token"), next.text("refresh_token")] {
        let refused = scene.refresh(&token);
        assert_eq!((refused.status, refused.text("error").as_str()), (400, "invalid_grant"), "{refused:?}");
    }
    good(&scene.log_in());
}

#[test]
fn f10_2038_passes_unnoticed() {
    let Some(scene) = Scene::new("f10_2038_passes_unnoticed") else { return };
    scene.clock.set("@2038-01-19 03:14:00");
    let _issuer = scene.start_issuer(&[]);
    let first = scene.log_in();
    scene.clock.set("@2039-06-01 00:00:00");
    let second = scene.log_in();
    assert!(issued(&second.text("access_token")) > i64::from(i32::MAX));
    let next = good(&scene.refresh(&second.text("refresh_token")));
    good(&scene.refresh(&next.text("refresh_token")));
    assert_eq!(scene.refresh(&first.text("refresh_token")).status, 400, "it has been idle for more than a year");
    // A resource server in our time takes nothing of it.
    let _movies = scene.pair.start_movies();
    assert_eq!(present(scene.pair.movies, &next.text("access_token")).status, 401);
}
