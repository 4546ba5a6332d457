//! The database's disk is full: what writes is 503, what reads goes on, no answer is a lie, and all heals when there is
//! space again. F18.

mod support;

use shared::testing::figures::{rounds, tell};
use support::is_possible;
use support::pair::{Pair, login, until};
use support::wire::{Answer, ask, post, present};

const MEGABYTES: u32 = 200;
/// Families that are refreshed all the while.
const FAMILIES: usize = 4;
/// Refreshes that have to be put off before there is space again.
const PUT_OFF: u32 = 20;
/// So many fit into the pages that there are, by far.
const MOST: u32 = 5_000;

const CLIENT: [&str; 10] = [
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

fn refresh(pair: &Pair, newest: &mut String) -> Answer {
    let form = format!("grant_type=refresh_token&client_id=app&refresh_token={newest}");
    let answer = post(pair.auth, "/token", &form);
    if answer.status == 200 {
        *newest = answer.text("refresh_token");
    }
    answer
}

#[test]
fn f18_a_full_disk_is_503_for_writes_and_heals_by_itself() {
    let name = "f18_a_full_disk_is_503_for_writes_and_heals_by_itself";
    if !is_possible(name) {
        return;
    }
    // No package gives the right to mount, so that this skip is no failure anywhere.
    let Some(mut pair) = Pair::with_postgres_on_a_small_disk(MEGABYTES) else {
        eprintln!("skipped: {name}: needs the right to mount a file system");
        return;
    };
    // A retry is a retry however slow the machine is.
    pair.set("MYAPI_AUTH__REFRESH_RETRY_WINDOW", "60");
    pair.run("auth-server", &CLIENT, "");
    let (auth, movies) = (pair.start_auth(&[]), pair.start_movies());
    let log_in =
        || post(pair.auth, "/token", &format!("grant_type=password&client_id=app&{}", login("ann@example.com")));
    let good = log_in().text("access_token");
    until("movies-api takes the token", || present(pair.movies, &good).status == 200);
    let mut families: Vec<String> = (0..FAMILIES).map(|_| log_in().text("refresh_token")).collect();
    let (mut stored, mut put_off) = (0, 0);
    for round in 0..rounds(1) {
        pair.disk().fill();
        let (end, mut turn) = (put_off + PUT_OFF, 0);
        while put_off < end {
            for newest in &mut families {
                let answer = refresh(&pair, newest);
                match answer.status {
                    200 => stored += 1,
                    503 if answer.header("retry-after").is_some() => put_off += 1,
                    _ => panic!("round {round}: {answer:?}\n{}", auth.log()),
                }
            }
            turn += 1;
            assert!(turn < MOST, "round {round}: the disk does not become full");
        }
        // Whoever reads is served, unless the server itself fell over its log.
        let read = present(pair.movies, &good);
        assert!(read.status == 200 || read.status == 503, "{read:?}");
        assert_eq!(present(pair.movies, "nonsense").status, 401);
        assert_eq!(ask(pair.auth, "GET", "/.well-known/jwks.json", "", "").status, 200);
        assert_eq!(ask(pair.auth, "GET", "/healthz", "", "").status, 200);

        pair.disk().empty();
        for newest in &mut families {
            // The newest token of each is one that was told by a 200: it is stored, and the next one is too.
            until("the login goes on", || refresh(&pair, newest).status == 200);
        }
        until("movies are read", || present(pair.movies, &good).status == 200);
    }
    tell("disk", "refreshes that were stored", f64::from(stored));
    tell("disk", "refreshes that were put off (503)", f64::from(put_off));
    for service in [&auth, &movies] {
        assert_eq!(service.count(&["panicked"]), 0);
    }
}
