//! Key rotation over the real binaries: two issuers, two resource servers, and tokens all the while. F09, M08.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::testing::figures::{rounds, tell, tell_at_most};
use support::is_possible;
use support::pair::{Pair, free_address, until};
use support::service::Service;
use support::wire::{ask, part, post, present};

/// The shortest that the settings allow: seconds.
const MAX_AGE: &str = "10";
const ROTATIONS: u32 = 2;
/// Between two requests of a thread.
const PACE: Duration = Duration::from_millis(50);

/// Two of each.
struct Scene {
    pair: Pair,
    issuers: [SocketAddr; 2],
    servers: [SocketAddr; 2],
    client: String,
}

impl Scene {
    fn new() -> Self {
        let mut pair = Pair::new();
        pair.set("MYAPI_AUTH__JWKS_MAX_AGE", MAX_AGE);
        pair.set("MYAPI_AUTH__KEY_RELOAD", "1");
        let client = pair.service_client("service");
        let (issuers, servers) = ([pair.auth, free_address()], [pair.movies, free_address()]);
        Self { pair, issuers, servers, client }
    }

    fn start_issuer(&self, at: usize) -> Service {
        self.pair.start_auth_at(["auth-server", "auth-server-2"][at], self.issuers[at], &[])
    }

    fn start_server(&self, at: usize) -> Service {
        self.pair.start_movies_at(["movies-api", "movies-api-2"][at], self.servers[at], &[])
    }

    fn status(&self) -> Value {
        self.pair.json(&["key", "status"])
    }

    /// The names of all keys in this state.
    fn keys(&self, state: &str) -> Vec<String> {
        let list = self.pair.json(&["key", "list"]);
        let keys = list.as_array().unwrap().iter().filter(|key| key["state"] == state);
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// The processes that report.
    fn instances(&self) -> BTreeSet<String> {
        let status = self.status();
        let servers = status["resource_servers"].as_array().unwrap().iter();
        servers.map(|server| server["instance"].as_str().unwrap().to_owned()).collect()
    }
}

/// What the threads saw.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    tokens: Mutex<Vec<String>>,
    /// When a token of a key was first given out.
    signed: Mutex<HashMap<String, Instant>>,
    /// When a key was first published, by each issuer.
    published: [Mutex<HashMap<String, Instant>>; 2],
    accepted: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

fn first(times: &Mutex<HashMap<String, Instant>>, kid: &str, at: Instant) {
    times.lock().unwrap().entry(kid.to_owned()).or_insert(at);
}

impl Seen {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Gets tokens, and presents each at once to both.
    fn issue(&self, scene: &Scene, at: usize) {
        while self.goes_on() {
            let answer = post(scene.issuers[at], "/token", &scene.client);
            let now = Instant::now();
            // It is killed in between; everything else is an answer.
            if answer.status != 0 {
                assert_eq!(answer.status, 200, "{answer:?}");
                let token = answer.text("access_token");
                first(&self.signed, part(&token, 0)["kid"].as_str().unwrap(), now);
                scene.servers.iter().for_each(|server| self.verify(*server, &token));
                self.tokens.lock().unwrap().push(token);
            }
            thread::sleep(PACE);
        }
    }

    /// Presents tokens old and new.
    fn present_again(&self, server: SocketAddr) {
        for turn in (0_usize..).take_while(|_| self.goes_on()) {
            let token = {
                let tokens = self.tokens.lock().unwrap();
                (!tokens.is_empty()).then(|| tokens[turn.wrapping_mul(7919) % tokens.len()].clone())
            };
            if let Some(token) = token {
                self.verify(server, &token);
            }
            thread::sleep(PACE / 4);
        }
    }

    fn verify(&self, server: SocketAddr, token: &str) {
        let answer = present(server, token);
        if answer.status == 200 {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        } else {
            self.refused.lock().unwrap().push(format!("{}: {answer:?}", part(token, 0)));
        }
    }

    fn watch(&self, scene: &Scene, at: usize) {
        while self.goes_on() {
            let asked = Instant::now();
            let answer = ask(scene.issuers[at], "GET", "/.well-known/jwks.json", "", "");
            if answer.status == 200 {
                kids(&answer.json()).iter().for_each(|kid| first(&self.published[at], kid, asked));
            }
            thread::sleep(PACE / 2);
        }
    }

    /// The least time between the publication of a key by both and the first token under it; not of the first key, which
    /// signs at once.
    fn shortest_notice(&self) -> Duration {
        let signed = self.signed.lock().unwrap();
        let earliest = signed.values().min().unwrap();
        let notices = signed.iter().filter(|(_, at)| *at != earliest).map(|(kid, at)| {
            let published = self.published.each_ref().map(|times| times.lock().unwrap()[kid]);
            at.checked_duration_since(published.into_iter().max().unwrap()).unwrap_or_default()
        });
        notices.min().unwrap()
    }
}

fn kids(set: &Value) -> Vec<String> {
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn f09_m08_rotations_under_load_refuse_no_good_token() {
    if !is_possible("f09_m08_rotations_under_load_refuse_no_good_token") {
        return;
    }
    let (scene, seen) = (Scene::new(), Seen::default());
    let mut issuers = [0, 1].map(|at| Some(scene.start_issuer(at)));
    let _servers = [0, 1].map(|at| scene.start_server(at));
    until("both have reported", || scene.instances().len() == 2);
    let rotations = rounds(ROTATIONS);
    let begun = Instant::now();
    thread::scope(|scope| {
        for at in [0, 1] {
            let (scene, seen) = (&scene, &seen);
            scope.spawn(move || seen.issue(scene, at));
            scope.spawn(move || seen.present_again(scene.servers[at]));
            scope.spawn(move || seen.watch(scene, at));
        }
        // Whatever happens here, the threads end.
        let _over = Over(&seen.is_over);
        for round in 1..=rotations {
            let rotating = scope.spawn(|| scene.pair.run("auth-server", &["key", "rotate"], ""));
            if round == 2 {
                // In the middle of it, an issuer dies and comes back.
                until("there is a next key", || scene.keys("next").len() == 1);
                if let Some(issuer) = issuers[1].take() {
                    issuer.end("KILL");
                }
                issuers[1] = Some(scene.start_issuer(1));
            }
            rotating.join().unwrap();
            let active = scene.keys("active");
            assert_eq!(active.len(), 1);
            until("the new key signs", || seen.signed.lock().unwrap().contains_key(&active[0]));
        }
    });
    let refused = seen.refused.lock().unwrap();
    tell_at_most("load", "good tokens refused", f64::from(u32::try_from(refused.len()).unwrap()), 0.0);
    tell("load", "good tokens accepted", f64::from(u32::try_from(seen.accepted.load(Ordering::Relaxed)).unwrap()));
    tell("load", "rotations", f64::from(rotations));
    tell("load", "seconds of a rotation", begun.elapsed().as_secs_f64() / f64::from(rotations));
    tell("load", "shortest notice of a new key, s", seen.shortest_notice().as_secs_f64());
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(seen.shortest_notice() > Duration::from_secs(1), "a key signed that was hardly published");
    // Tokens of every key are alive, so all of them are still there.
    let signed: Vec<String> = seen.signed.lock().unwrap().keys().cloned().collect();
    assert_eq!(signed.len(), usize::try_from(rotations).unwrap() + 1);
    for issuer in scene.issuers {
        let published = kids(&ask(issuer, "GET", "/.well-known/jwks.json", "", "").json());
        assert!(signed.iter().all(|kid| published.contains(kid)), "{signed:?} {published:?}");
    }
}

/// Raises the flag when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn f09_a_kill_in_the_middle_of_a_rotation_leaves_one_key_that_signs() {
    if !is_possible("f09_a_kill_in_the_middle_of_a_rotation_leaves_one_key_that_signs") {
        return;
    }
    let scene = Scene::new();
    // Each rotation is done at once, so that the kill hits any of its steps.
    let run = |kill: Option<Duration>| {
        let mut rotating = scene.pair.spawn("auth-server", &["key", "rotate", "--force"]);
        if let Some(after) = kill {
            thread::sleep(after);
            rotating.kill().unwrap();
        }
        rotating.wait().unwrap()
    };
    let begun = Instant::now();
    assert!(run(None).success());
    let whole = begun.elapsed();
    let mut killed = 0;
    for round in 0..rounds(12) {
        // From a start to beyond an end, however quick this machine is.
        killed += u32::from(!run(Some(whole * (round % 12) / 10)).success());
        assert_eq!((scene.keys("active").len(), scene.keys("next").len() <= 1), (1, true), "round {round}");
    }
    tell("kill", "rotations killed", f64::from(killed));
    assert!(killed > 0);
    let issuer = scene.start_issuer(0);
    let token = post(scene.issuers[0], "/token", &scene.client).text("access_token");
    assert_eq!(part(&token, 0)["kid"].as_str(), scene.keys("active").first().map(String::as_str));
    assert!(issuer.end("TERM").success());
}

#[test]
fn m08_f09_the_gate_names_a_resource_server_that_is_stopped_and_force_does_not_wait() {
    if !is_possible("m08_f09_the_gate_names_a_resource_server_that_is_stopped_and_force_does_not_wait") {
        return;
    }
    let scene = Scene::new();
    let _issuer = scene.start_issuer(0);
    let _first = scene.start_server(0);
    until("the first has reported", || scene.instances().len() == 1);
    let known = scene.instances();
    let second = scene.start_server(1);
    until("the second has reported", || scene.instances().len() == 2);
    let stopped = scene.instances().difference(&known).next().unwrap().clone();
    second.signal("STOP");

    let rotate = |more: &[&str]| scene.pair.output("auth-server", &[&["key", "rotate"], more].concat(), "");
    assert!(!rotate(&["--wait", "0"]).status.success(), "it is not published for long enough");
    until("all but one hold the new key", || {
        let next = &scene.status()["next"];
        let laggards = next["laggards"].as_array().map(Vec::as_slice).unwrap_or_default();
        next["gate"] == "waiting" && laggards.len() == 1 && laggards[0]["instance"] == stopped.as_str()
    });
    let refused = rotate(&["--wait", "0"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains(&stopped), "{said}");
    assert!(known.iter().all(|instance| !said.contains(instance)), "{said}");
    let next = scene.keys("next");
    assert!(rotate(&["--force"]).status.success());
    assert_eq!(scene.keys("active"), next);

    second.signal("CONT");
    until("the new key signs, and whoever was stopped takes its tokens", || {
        let token = post(scene.issuers[0], "/token", &scene.client).text("access_token");
        part(&token, 0)["kid"] == next[0].as_str() && present(scene.servers[1], &token).status == 200
    });
}
