//! `login-flood`: wrong logins without end, and what everybody else notices of it (faults F12 and F13).
//!
//! 1. `many`: 400 connections from 200 addresses, the limits out of the way: the password lane alone holds the flood.
//! 2. `one`: 400 connections from one address, the limits as they are by default.
//!
//! Meanwhile onlookers time `/healthz`, the key set and a movie with a token, and somebody logs in honestly every second,
//! each time from another address, coming back when told to. At the end 200 clients hang up at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::client::{Client, login};
use super::figures::Figure;
use super::probe::onlookers;
use super::table::Place;
use crate::bench::cpu::Process;
use crate::bench::rig::free_addresses;
use crate::interrupt::Interrupt;
use crate::up::addresses::Addresses;
use crate::up::build::{AUTH, MOVIES};
use crate::up::provision::{self, USER};
use crate::up::serve::Service;
use crate::up::services::Services;

/// What the naive way does: a hash in `spawn_blocking` for each request, measured once under the same flood.
pub const BESIDE: &str = "a hash in spawn_blocking for each request: 8.8 GiB, p99 of the others 30 s";

const CONNECTIONS: u32 = 400;
const LEAVERS: u32 = 200;
/// Argon2id of the default settings.
const HASH_MIB: f64 = 19.0;
const NO_LIMIT: &str = "100000000:100000000";
const LIMITS: [&str; 4] =
    ["MYAPI_AUTH__LIMIT_ACCOUNT", "MYAPI_AUTH__LIMIT_ADDRESS", "MYAPI_AUTH__LIMIT_PREFIX", "MYAPI_AUTH__LIMIT_CLIENT"];

/// One half of the soak.
struct Part {
    name: &'static str,
    addresses: u32,
    has_limits: bool,
}

const PARTS: [Part; 2] =
    [Part { name: "many", addresses: 200, has_limits: false }, Part { name: "one", addresses: 1, has_limits: true }];

/// What the parts share.
struct Scene<'a> {
    place: &'a Place<'a>,
    services: &'a Services,
    password: String,
    lanes: usize,
}

/// One round of both parts.
///
/// # Errors
/// When a server does not start or does not answer.
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let [auth, movies] = free_addresses()?;
    let addresses = Addresses { auth, movies };
    let Place { checkout, programs, environment, home, database, .. } = place;
    let services = Services::new(programs.clone(), environment, addresses, database.url.clone(), home);
    let made = provision::provision(checkout, services, true, interrupt)?;
    let password = made.password.context("the demo user was there before")?;
    let lanes = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let lanes = environment.find("MYAPI_AUTH__PASSWORD_LANES").map_or(Ok(lanes), str::parse)?;
    let scene = Scene { place, services: &made.services, password, lanes };
    let mut figures = Vec::new();
    for part in &PARTS {
        figures.extend(scene.play(part, interrupt)?);
    }
    Ok(figures)
}

impl Scene<'_> {
    fn play(&self, part: &Part, interrupt: &Interrupt) -> Result<Vec<Figure>> {
        let Addresses { auth, movies } = self.services.addresses;
        let mut command = self.services.auth(&["serve"]);
        if !part.has_limits {
            command.envs(LIMITS.map(|name| (name, NO_LIMIT)));
        }
        let mut server = Service::start(AUTH, &command, auth, self.place.home, interrupt)?;
        let command = self.services.movies(&["serve"]);
        let mut other = Service::start(MOVIES, &command, movies, self.place.home, interrupt)?;
        let process = Process::guarded_by(server.guard());
        let onlookers = runtime()?;
        let token = onlookers.block_on(token(auth, &self.password))?;
        let idle = process.and_then(|process| process.memory_mib("VmRSS"));

        let (flood, begun) = (Flood::start(auth, part.addresses)?, Instant::now());
        let end = Instant::now() + self.place.length;
        let seen = onlookers.block_on(watch(self.services.addresses, token, self.password.clone(), end))?;
        let (lasted, answers) = (begun.elapsed(), flood.stop()?);
        let peak = process.and_then(|process| process.memory_mib("VmHWM"));
        interrupt.check()?;

        onlookers.block_on(hang_up(auth))?;
        let resting = process.and_then(rest);
        server.check()?;
        other.check()?;

        let mut figures = seen.figures(part.name);
        let seconds = lasted.as_secs_f64();
        for (name, count) in ["refused (400)", "throttled (429)", "put off (503)", "broken"].iter().zip(answers) {
            #[expect(clippy::cast_precision_loss, reason = "counts of a minute")]
            let per_second = count as f64 / seconds;
            let figure = Figure::new(part.name, &format!("flood {name}, a second"), per_second);
            figures.push(if *name == "broken" { figure.at_most(0.0) } else { figure });
        }
        if let (Some(idle), Some(peak)) = (idle, peak) {
            #[expect(clippy::cast_precision_loss, reason = "a number of threads")]
            let bound = idle + self.lanes as f64 * HASH_MIB + 128.0;
            figures.push(Figure::new(part.name, "memory idle, MiB", idle));
            figures.push(Figure::new(part.name, "memory at most, MiB", peak).at_most(bound));
        }
        if let Some(resting) = resting {
            figures.push(Figure::new(part.name, "processor 1 s after 200 hung up, %", resting).at_most(20.0));
        }
        Ok(figures)
    }
}

/// Wrong logins from a thread of their own.
struct Flood {
    stop: Arc<AtomicBool>,
    answers: Arc<[AtomicU64; 4]>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Flood {
    fn start(to: SocketAddr, addresses: u32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let answers: Arc<[AtomicU64; 4]> = Arc::default();
        let (runtime, flag, counts) = (runtime()?, Arc::clone(&stop), Arc::clone(&answers));
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let mut attackers = JoinSet::new();
                for number in 0..CONNECTIONS {
                    let from = loopback(0x0100 + number % addresses);
                    attackers.spawn(attack(from, to, number, Arc::clone(&flag), Arc::clone(&counts)));
                }
                attackers.join_all().await.into_iter().collect()
            })
        });
        Ok(Self { stop, answers, thread })
    }

    /// How often it was answered 400, 429, 503, and otherwise or not at all.
    fn stop(self) -> Result<[u64; 4]> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the flood panicked"))??;
        Ok(self.answers.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }
}

async fn attack(
    from: Ipv4Addr,
    to: SocketAddr,
    number: u32,
    stop: Arc<AtomicBool>,
    answers: Arc<[AtomicU64; 4]>,
) -> Result<()> {
    let [refused, throttled, put_off, broken] = answers.as_ref();
    let mut client = Client::connect(from, to).await?;
    while !stop.load(Ordering::Relaxed) {
        let answer = client.ask(login(&format!("flood-{number}@example.com"), "wrong")?).await;
        let counter = match answer.as_ref().map(|(status, _)| status.as_u16()) {
            Ok(400) => refused,
            Ok(429) => throttled,
            Ok(503) => put_off,
            _ => broken,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if answer.is_err() {
            client = Client::connect(from, to).await?;
        }
    }
    Ok(())
}

/// What everybody else noticed.
struct Seen {
    times: Vec<(&'static str, Histogram<u64>)>,
    logins: Vec<Duration>,
}

impl Seen {
    #[expect(clippy::cast_precision_loss, reason = "times of less than a day, in nanoseconds")]
    fn figures(&self, part: &str) -> Vec<Figure> {
        let p99 = |(what, times): &(&str, Histogram<u64>)| {
            Figure::new(part, &format!("{what} p99, ms"), times.value_at_quantile(0.99) as f64 / 1e6).at_most(100.0)
        };
        let mut figures: Vec<Figure> = self.times.iter().map(p99).collect();
        let slowest = self.logins.iter().max().copied().unwrap_or(Duration::MAX);
        figures.push(Figure::new(part, "slowest honest login, s", slowest.as_secs_f64()).at_most(3.0));
        figures.push(Figure::new(part, "honest logins", self.logins.len() as f64).at_least(1.0));
        figures
    }
}

async fn watch(addresses: Addresses, token: String, password: String, end: Instant) -> Result<Seen> {
    let auth = addresses.auth;
    let mut watching = onlookers(addresses, token, end);
    let logins = honest_logins(auth, &password, end).await?;
    let mut times = Vec::new();
    while let Some(watched) = watching.join_next().await {
        times.push(watched??);
    }
    times.sort_by_key(|(what, _)| *what);
    Ok(Seen { times, logins })
}

/// Once a second, each from an address of its own.
async fn honest_logins(auth: SocketAddr, password: &str, end: Instant) -> Result<Vec<Duration>> {
    let mut logins = Vec::new();
    for turn in 0_u32.. {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        loop {
            let mut client = Client::connect(loopback(0x9_0000 + turn * 256), auth).await?;
            let (status, body) = client.ask(login(USER, password)?).await?;
            match status.as_u16() {
                200 => break,
                429 | 503 => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => anyhow::bail!("an honest login is answered {status}: {}", String::from_utf8_lossy(&body)),
            }
        }
        logins.push(begun.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(logins)
}

/// Clients that ask for a login and do not wait for it.
async fn hang_up(auth: SocketAddr) -> Result<()> {
    let mut leavers = JoinSet::new();
    for number in 0..LEAVERS {
        leavers.spawn(async move {
            let mut client = Client::connect(loopback(0x2_0000 + number * 256), auth).await?;
            let asked = client.ask(login(&format!("gone-{number}@example.com"), "wrong")?);
            // That it takes longer is the point.
            drop(tokio::time::timeout(Duration::from_millis(50), asked).await);
            client.hang_up().await;
            Ok::<_, anyhow::Error>(())
        });
    }
    leavers.join_all().await.into_iter().collect()
}

/// The share of one core that a server spends, a second after everybody has gone, in percent.
fn rest(process: Process) -> Option<f64> {
    thread::sleep(Duration::from_secs(1));
    let (before, begun) = (process.cpu()?, Instant::now());
    thread::sleep(Duration::from_secs(1));
    Some(process.cpu()?.saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}

/// A token of the demo user.
pub(super) async fn token(auth: SocketAddr, password: &str) -> Result<String> {
    let (_, body) = Client::connect(Ipv4Addr::LOCALHOST, auth).await?.ask(login(USER, password)?).await?;
    let answer: serde_json::Value = serde_json::from_slice(&body)?;
    let token = answer.get("access_token").and_then(|token| token.as_str());
    token.map(str::to_owned).context("auth-server answers without access_token")
}

/// An address of this machine.
fn loopback(offset: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + offset)
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}
