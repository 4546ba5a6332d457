//! A streaming standby: movies-api reads from it, a server that is read-only is 503 and let go of, and after a failover
//! both services write again by themselves, with everything that was acknowledged. F20.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shared::testing::figures::{is_soak, rounds, tell, tell_at_most};
use shared::testing::{Proxy, Upstream};
use support::is_possible;
use support::pair::{Pair, login, until};
use support::wire::{Answer, ask, post, present};

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
const WRITER: [&str; 9] = [
    "client",
    "create",
    "writer",
    "--grant",
    "client_credentials",
    "--scope",
    "movies:write",
    "--scope",
    "movies:read",
];
/// Seconds from the promotion until both services write again, and how much longer a busy machine may take.
const SOON: f64 = 10.0;
const BUSY: f64 = 5.0;
/// Load before the failover, and between two requests of a thread.
const BEFORE: Duration = Duration::from_secs(2);
const PACE: Duration = Duration::from_millis(50);

/// A pair on a primary with a standby, behind an address that can be led to either.
struct Scene {
    pair: Pair,
    primary: String,
    standby: String,
    proxy: Proxy,
    writer: String,
}

impl Scene {
    fn new() -> Self {
        let mut pair = Pair::with_ordered_postgres();
        let secret = pair.json(&WRITER)["client_secret"].as_str().unwrap().to_owned();
        pair.run("auth-server", &LOGIN_CLIENT, "");
        pair.set("MYAPI_AUTH__REFRESH_RETRY_WINDOW", "60");
        let primary = pair.database().to_owned();
        let standby = pair.postgres().start_standby();
        let proxy = Proxy::start(Upstream::of_url(&primary));
        let writer = format!("grant_type=client_credentials&client_id=writer&client_secret={secret}");
        Self { pair, primary, standby, proxy, writer }
    }

    /// The address of the database that moves.
    fn moving(&self) -> String {
        format!("postgres://postgres@{}/myapi", self.proxy.address())
    }

    fn ask_for_token(&self) -> Answer {
        post(self.pair.auth, "/token", &self.writer)
    }

    fn write_token(&self) -> String {
        let answer = self.ask_for_token();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token")
    }

    /// A film under this key.
    fn put(&self, token: &str, movie_id: u32) -> Answer {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        let film = format!(r#"{{"title":"Film {movie_id}","released":2001,"rating":5.5}}"#);
        ask(self.pair.movies, "PUT", &format!("/movies/{movie_id}"), &headers, &film)
    }

    fn find(&self, token: &str, movie_id: u32) -> u16 {
        let headers = format!("Authorization: Bearer {token}\r\n");
        ask(self.pair.movies, "GET", &format!("/movies/{movie_id}"), &headers, "").status
    }

    fn log_in(&self) -> Answer {
        post(self.pair.auth, "/token", &format!("grant_type=password&client_id=app&{}", login("ann@example.com")))
    }

    fn refresh(&self, token: &str) -> Answer {
        post(self.pair.auth, "/token", &format!("grant_type=refresh_token&client_id=app&refresh_token={token}"))
    }
}

/// Not now, with the time to come back.
fn is_put_off(answer: &Answer) -> bool {
    answer.status == 503 && answer.header("retry-after").is_some()
}

/// DESIGN: the first database may be a standby, where a direct one is the primary.
#[test]
fn f20_films_are_read_from_a_standby_and_written_to_the_primary() {
    if !is_possible("f20_films_are_read_from_a_standby_and_written_to_the_primary") {
        return;
    }
    let mut scene = Scene::new();
    let (primary, standby) = (scene.primary.clone(), scene.standby.clone());
    scene.pair.set("MYAPI_MOVIES__DATABASE_URL", &standby);
    scene.pair.set("MYAPI_MOVIES__DIRECT_DATABASE_URL", &primary);
    let (_auth, movies) = (scene.pair.start_auth(&[]), scene.pair.start_movies());
    let token = scene.write_token();
    until("movies-api takes the token", || present(scene.pair.movies, &token).status == 200);
    assert_eq!(movies.count(&["writes go to the direct database"]), 1, "{}", movies.log());
    let written = scene.put(&token, 4711);
    assert_eq!(written.status, 201, "{written:?}");
    until("the standby has it", || scene.find(&token, 4711) == 200);
    scene.pair.run("movies-api", &["import", "movies.csv"], "");
    // A revocation is news from the primary.
    assert_eq!(
        post(
            scene.pair.auth,
            "/revoke",
            &format!("token={token}&{}", &scene.writer["grant_type=client_credentials&".len()..])
        )
        .status,
        200
    );
    until("the token is refused", || present(scene.pair.movies, &token).status == 401);
    let fresh = scene.write_token();
    // Reads need the standby alone, as soon as nobody writes.
    scene.pair.postgres().order("immediate");
    assert_eq!(scene.find(&fresh, 4711), 200);
    let refused = scene.put(&fresh, 4712);
    assert!(is_put_off(&refused), "{refused:?}");
    // A standby that is promoted takes the writes itself.
    scene.pair.postgres().order("promote");
    until("it takes writes", || {
        let answer = scene.put(&fresh, 4713);
        assert!(answer.status == 201 || is_put_off(&answer), "{answer:?}");
        answer.status == 201
    });
}

/// SQLSTATE 25006, and 0A000 where counters stand in unlogged tables: nothing cut the connections, but they lead to a server
/// that takes no writes.
#[test]
fn f20_a_read_only_server_is_503_and_its_connections_are_let_go_of() {
    if !is_possible("f20_a_read_only_server_is_503_and_its_connections_are_let_go_of") {
        return;
    }
    let mut scene = Scene::new();
    let moving = scene.moving();
    for name in ["MYAPI_AUTH__DATABASE_URL", "MYAPI_MOVIES__DATABASE_URL"] {
        scene.pair.set(name, &moving);
    }
    let (auth, movies) = (scene.pair.start_auth(&[]), scene.pair.start_movies());
    let token = scene.write_token();
    until("movies-api takes the token", || present(scene.pair.movies, &token).status == 200);
    scene.proxy.lead_to(Upstream::of_url(&scene.standby));
    scene.proxy.cut();
    until("both are on the standby", || {
        let answers = [scene.put(&token, 1), scene.log_in(), scene.ask_for_token()];
        for answer in &answers {
            assert!(answer.status < 300 || is_put_off(answer), "{answer:?}");
        }
        let is_told = |log: &str| log.contains("the database is read-only");
        is_told(&auth.log()) && is_told(&movies.log())
    });
    // Not cut: whoever keeps a connection stays where it cannot write.
    scene.proxy.lead_to(Upstream::of_url(&scene.primary));
    let moved = Instant::now();
    let (mut has_written, mut has_logged_in) = (false, false);
    until("both write again", || {
        let answers = [scene.put(&token, 1), scene.log_in(), scene.ask_for_token()];
        for answer in &answers {
            assert!(answer.status < 300 || is_put_off(answer), "{answer:?}");
        }
        has_written |= answers[0].status < 300;
        has_logged_in |= answers[1].status == 200;
        has_written && has_logged_in
    });
    assert!(moved.elapsed().as_secs_f64() < SOON * BUSY, "{:?}", moved.elapsed());
}

#[test]
fn f20_after_a_failover_both_write_again_and_nothing_acknowledged_is_lost() {
    if !is_possible("f20_after_a_failover_both_write_again_and_nothing_acknowledged_is_lost") {
        return;
    }
    for _ in 0..rounds(1) {
        fail_over();
    }
}

fn fail_over() {
    let mut scene = Scene::new();
    let moving = scene.moving();
    for name in ["MYAPI_AUTH__DATABASE_URL", "MYAPI_MOVIES__DATABASE_URL"] {
        scene.pair.set(name, &moving);
    }
    let (auth, movies) = (scene.pair.start_auth(&[]), scene.pair.start_movies());
    let token = scene.write_token();
    until("movies-api takes the token", || present(scene.pair.movies, &token).status == 200);
    let mut newest = scene.log_in().text("refresh_token");

    let is_over = AtomicBool::new(false);
    let wrong: Mutex<Vec<String>> = Mutex::default();
    let films: Mutex<Vec<(u32, Instant)>> = Mutex::default();
    let refreshes: Mutex<Vec<Instant>> = Mutex::default();
    let note = |answer: &Answer| {
        if answer.status >= 300 && !is_put_off(answer) {
            wrong.lock().unwrap().push(format!("{answer:?}"));
        }
        answer.status < 300
    };
    let (scene_ref, slowest) = (&scene, Mutex::new(Duration::ZERO));
    thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| {
            for movie_id in (10_000..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                if note(&scene_ref.put(&token, movie_id)) {
                    films.lock().unwrap().push((movie_id, Instant::now()));
                }
                thread::sleep(PACE);
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let answer = scene_ref.refresh(&newest);
                if note(&answer) {
                    newest = answer.text("refresh_token");
                    refreshes.lock().unwrap().push(Instant::now());
                }
                thread::sleep(PACE);
            }
        });
        thread::sleep(BEFORE);
        scene_ref.pair.postgres().order("immediate");
        let promoted = Instant::now();
        scene_ref.pair.postgres().order("promote");
        scene_ref.proxy.lead_to(Upstream::of_url(&scene_ref.standby));
        scene_ref.proxy.cut();
        let first = |times: &[Instant]| times.iter().find(|time| **time > promoted).map(|time| *time - promoted);
        until("both write again", || {
            let films: Vec<Instant> = films.lock().unwrap().iter().map(|(_, at)| *at).collect();
            let both = [first(&films), first(&refreshes.lock().unwrap())];
            let Some(later) = both.into_iter().collect::<Option<Vec<_>>>().and_then(|both| both.into_iter().max())
            else {
                return false;
            };
            *slowest.lock().unwrap() = later;
            true
        });
    });
    let slowest = slowest.into_inner().unwrap().as_secs_f64();
    let films = films.into_inner().unwrap();
    let lost = films.iter().filter(|(movie_id, _)| scene.find(&token, *movie_id) != 200).count();
    tell_at_most("failover", "both write again after, s", slowest, SOON);
    tell("failover", "acknowledged films", f64::from(u32::try_from(films.len()).unwrap()));
    tell_at_most("failover", "acknowledged films that were lost", f64::from(u32::try_from(lost).unwrap()), 0.0);
    let wrong = wrong.into_inner().unwrap();
    tell_at_most("failover", "wrong answers", f64::from(u32::try_from(wrong.len()).unwrap()), 0.0);
    assert!(wrong.is_empty(), "{wrong:#?}\n{}\n{}", auth.log(), movies.log());
    assert_eq!(lost, 0, "of {} films", films.len());
    until("the login goes on", || scene.refresh(&newest).status == 200);
    let limit = if is_soak() { SOON } else { SOON * BUSY };
    assert!(slowest < limit, "{slowest} s");
}

/// Raises the flag when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
