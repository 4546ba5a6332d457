//! How soon a revocation is refused by two resource servers: one follows the feed in the database, one the signed feed by
//! URL. R09, V04, V05.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shared::db;
use shared::testing::figures::{is_soak, rounds, tell, tell_times};
use shared::testing::{Proxy, Upstream};
use support::is_possible;
use support::pair::{Pair, free_address, login, until};
use support::service::Service;
use support::wire::{part, post, present};

const REVOCATIONS: u32 = 20;
/// No revocation takes longer, whatever happens to connections.
const BOUND: Duration = Duration::from_secs(5);
/// Most take a fraction of this.
const USUAL: Duration = Duration::from_secs(1);
/// Between two cuts: longer than a reader takes to come back.
const CUTS: Duration = Duration::from_millis(700);
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

/// What is revoked.
#[derive(Clone, Copy, Debug)]
enum What {
    Token,
    Session,
    User,
    Client,
    Key,
}

impl What {
    /// Most of them are what clients do; the last one is the signing key.
    const fn of(round: u32, rounds: u32) -> Self {
        if round + 1 == rounds {
            return Self::Key;
        }
        match round % 20 {
            0 => Self::User,
            1 => Self::Client,
            2..=5 => Self::Session,
            _ => Self::Token,
        }
    }
}

/// An issuer, and a resource server at each kind of feed, each of which goes through a proxy.
struct Scene {
    pair: Pair,
    servers: [SocketAddr; 2],
    proxies: [Proxy; 2],
    _running: [Service; 3],
    client: String,
}

impl Scene {
    fn new() -> Self {
        let mut pair = Pair::new();
        // A key that takes over at once is not in anybody's set; whoever revokes a key restarts nothing.
        pair.set("MYAPI_AUTH__KEY_RELOAD", "1");
        pair.run("auth-server", &LOGIN_CLIENT, "");
        let client = pair.service_client("service");
        let issuer = pair.start_auth(&[]);
        let database = db::connect_options(pair.database()).unwrap();
        let by_database = Proxy::start(Upstream::of(&database));
        let by_url = Proxy::start(Upstream::Tcp("127.0.0.1".to_owned(), pair.auth.port()));
        let url = format!("postgres://postgres@{}/{}", by_database.address(), database.get_database().unwrap());
        let first = pair.start_movies_at("movies-api", pair.movies, &[("MYAPI_MOVIES__DIRECT_DATABASE_URL", &url)]);
        let (address, url) = (free_address(), format!("http://{}/revocations", by_url.address()));
        let mut without_database = vec![("MYAPI_MOVIES__REVOCATIONS", url)];
        without_database.extend(reporting(&pair));
        let settings: Vec<(&str, &str)> =
            without_database.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let second = pair.start_movies_at("movies-api-2", address, &settings);
        let servers = [pair.movies, address];
        Self { servers, proxies: [by_database, by_url], _running: [issuer, first, second], client, pair }
    }

    fn token(&self, form: &str) -> String {
        let answer = post(self.pair.auth, "/token", form);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token")
    }

    /// Revokes it, and how long after the answer each refuses a token that it took before.
    fn revoke(&self, what: What, name: &str) -> [Duration; 2] {
        let run = |args: &[&str]| drop(self.pair.run("auth-server", args, ""));
        match what {
            What::Token => {
                let token = self.token(&self.client);
                let form = self.client.replace("grant_type=client_credentials", &format!("token={token}"));
                self.time(&token, || assert_eq!(post(self.pair.auth, "/revoke", &form).status, 200))
            }
            What::Session => {
                let answer = self.log_in("ann@example.com");
                let form = format!("client_id=app&token={}", answer.text("refresh_token"));
                let revoke = || assert_eq!(post(self.pair.auth, "/revoke", &form).status, 200);
                self.time(&answer.text("access_token"), revoke)
            }
            What::User => {
                let email = format!("{name}@example.com");
                self.pair.create_user(&email);
                let token = self.log_in(&email).text("access_token");
                self.time(&token, || run(&["user", "disable", &email]))
            }
            What::Client => {
                let token = self.token(&self.pair.service_client(name));
                self.time(&token, || run(&["client", "delete", name]))
            }
            What::Key => {
                let token = self.token(&self.client);
                let kid = part(&token, 0)["kid"].as_str().unwrap().to_owned();
                let times = self.time(&token, || run(&["key", "revoke", &kid]));
                // The next key takes over, and everybody takes its tokens.
                until("another key signs", || {
                    let token = self.token(&self.client);
                    part(&token, 0)["kid"] != kid.as_str()
                        && self.servers.iter().all(|server| present(*server, &token).status == 200)
                });
                times
            }
        }
    }

    fn log_in(&self, email: &str) -> support::wire::Answer {
        let answer = post(self.pair.auth, "/token", &format!("grant_type=password&client_id=app&{}", login(email)));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    fn time(&self, token: &str, revoke: impl FnOnce()) -> [Duration; 2] {
        for server in self.servers {
            // Twice, so that the second answer comes from the memory of verified tokens.
            let answers = [present(server, token), present(server, token)].map(|answer| answer.status);
            assert_eq!(answers, [200, 200]);
        }
        revoke();
        let answered = Instant::now();
        thread::scope(|scope| {
            let times = self.servers.map(|server| scope.spawn(move || until_refused(server, token, answered)));
            times.map(|time| time.join().unwrap())
        })
    }

    /// Does all of them.
    fn run(&self, part: &str) {
        let rounds = rounds(REVOCATIONS);
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            let what = What::of(round, rounds);
            for (times, time) in times.iter_mut().zip(self.revoke(what, &format!("{part}-{round}"))) {
                assert!(time < BOUND || is_soak(), "{what:?} took {time:?}");
                times.push(time);
            }
        }
        tell(part, "revocations", f64::from(rounds));
        for (feed, times) in ["by the database", "by URL"].into_iter().zip(times) {
            let mut sorted = times.clone();
            sorted.sort();
            assert!(sorted[sorted.len() / 2] < USUAL, "{feed}: {sorted:?}");
            tell_times(part, feed, times, BOUND);
        }
    }
}

/// The settings by which a movies-api reports to the issuer as a client.
fn reporting(pair: &Pair) -> [(&'static str, String); 3] {
    let audience = format!("http://{}", pair.movies);
    let made = pair.json(&["client", "create", "movies-2", "--serves", &audience]);
    [
        ("MYAPI_MOVIES__REPORTS", format!("http://{}/resource_server_report", pair.auth)),
        ("MYAPI_MOVIES__CLIENT_ID", "movies-2".to_owned()),
        ("MYAPI_MOVIES__CLIENT_SECRET", made["client_secret"].as_str().unwrap().to_owned()),
    ]
}

fn reporter(server: &serde_json::Value) -> &str {
    server["reported_by"].as_str().unwrap()
}

fn until_refused(server: SocketAddr, token: &str, since: Instant) -> Duration {
    let mut time = Duration::ZERO;
    until("the token is refused", || {
        let answer = present(server, token);
        time = since.elapsed();
        match answer.status {
            200 => false,
            401 => {
                assert_eq!(answer.json()["code"], "token_invalid");
                true
            }
            _ => panic!("{answer:?}"),
        }
    });
    time
}

#[test]
fn r09_v04_v05_a_revocation_reaches_both_kinds_of_feed_within_a_second() {
    if !is_possible("r09_v04_v05_a_revocation_reaches_both_kinds_of_feed_within_a_second") {
        return;
    }
    let scene = Scene::new();
    scene.run("undisturbed");
    // Whoever has no database reports over HTTP, and is waited for like everybody.
    let status = scene.pair.json(&["key", "status"]);
    let reporters: Vec<&str> = status["resource_servers"].as_array().unwrap().iter().map(reporter).collect();
    assert_eq!(reporters.len(), 2, "{status}");
    assert!(reporters.contains(&"client:movies-2"), "{status}");
}

#[test]
fn v05_a_revocation_arrives_while_connections_of_the_feeds_are_cut() {
    if !is_possible("v05_a_revocation_arrives_while_connections_of_the_feeds_are_cut") {
        return;
    }
    let scene = Scene::new();
    let (is_over, cut) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(CUTS);
                cut.fetch_add(scene.proxies.iter().map(Proxy::cut).sum(), Ordering::Relaxed);
            }
        });
        // Whatever happens, the cuts end.
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.run("cut")));
        is_over.store(true, Ordering::Relaxed);
        ran.unwrap();
    });
    let cut = cut.into_inner();
    tell("cut", "connections cut", f64::from(u32::try_from(cut).unwrap()));
    assert!(cut > 0);
}
