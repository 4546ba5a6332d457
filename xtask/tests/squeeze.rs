//! Both services for long under mixed load, with little memory: neither memory nor files nor tables grow. F26.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use shared::testing::figures::{is_soak, rounds, tell, tell_at_most};
use support::is_possible;
use support::pair::{Pair, login, until};
use support::service::Service;
use support::wire::{post, present};

/// One round: some fifty requests a second, by five threads.
const ROUND: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_millis(100);
/// Rounds in which pools and the allocator come to their size.
const WARM: u32 = 1;
/// Seconds that a token lives: movies-api remembers each that it has seen for as long.
const TOKEN_TTL: &str = "60";
/// As many for a soak, in which the memory of tokens has to be as full at its begin as at its end.
const WARM_FOR_SOAK: u32 = 18;
/// What a process may have of memory that is its own.
const MEMORY: u64 = 256 << 20;

/// Resident memory in MiB, and open files.
fn held(service: &Service) -> (f64, usize) {
    let process = format!("/proc/{}", service.id());
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u32 = line.trim().trim_end_matches(" kB").parse().unwrap();
    (f64::from(kib) / 1024.0, fs::read_dir(format!("{process}/fd")).unwrap().count())
}

fn squeeze(service: &Service) {
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    prlimit(Pid::from_raw(i32::try_from(service.id()).unwrap()), Resource::Data, limit).unwrap();
}

fn ask_for(pair: &Pair, client: &str, time: Duration) {
    let end = Instant::now() + time;
    thread::scope(|scope| {
        for number in 0..5 {
            scope.spawn(move || {
                while Instant::now() < end {
                    let begun = Instant::now();
                    match number {
                        0 => assert_eq!(post(pair.auth, "/token", client).status, 200),
                        1 => drop(post(pair.auth, "/token", &login("ann@example.com"))),
                        _ => {
                            let token = post(pair.auth, "/token", client).text("access_token");
                            assert_eq!(present(pair.movies, &token).status, 200);
                            assert_eq!(present(pair.movies, "nonsense").status, 401);
                        }
                    }
                    thread::sleep(PACE.saturating_sub(begun.elapsed()));
                }
            });
        }
    });
}

#[test]
fn f26_memory_and_files_stay_flat_under_a_small_quota() {
    if !is_possible("f26_memory_and_files_stay_flat_under_a_small_quota") {
        return;
    }
    let mut pair = Pair::new();
    // What the limit of a process counts is all that its hashing threads may ever use.
    pair.set("MYAPI_AUTH__PASSWORD_LANES", "1");
    pair.set("MYAPI_AUTH__ACCESS_TOKEN_TTL", TOKEN_TTL);
    let client = pair.service_client("service");
    let services = [("auth-server", pair.start_auth(&[])), ("movies-api", pair.start_movies())];
    services.iter().for_each(|(_, service)| squeeze(service));
    until("movies-api has keys", || pair.readiness().status == 200);
    for _ in 0..if is_soak() { WARM_FOR_SOAK } else { WARM } {
        ask_for(&pair, &client, ROUND);
    }
    let before = services.each_ref().map(|(_, service)| held(service));
    let (rounds, begun) = (rounds(1), Instant::now());
    for _ in 0..rounds {
        ask_for(&pair, &client, ROUND);
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    for ((name, service), (memory, files)) in services.iter().zip(before) {
        let (later, files_later) = held(service);
        tell(name, "memory, MiB", later);
        let slope = (later - memory) / minutes * 10.0;
        // So short a time as CI's says nothing about ten minutes.
        if is_soak() {
            tell_at_most(name, "memory grows in 10 min, MiB", slope, 1.0);
        }
        assert!(later - memory < 16.0, "{name}: {memory} MiB, then {later} MiB");
        assert!(files_later <= files + 8, "{name}: {files} files, then {files_later}");
        assert_eq!(service.count(&["panicked"]), 0);
    }
    for (_, service) in services {
        assert!(service.end("TERM").success());
    }
}
