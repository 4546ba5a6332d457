//! `bad-networks`: half heads, slow bodies, slow readers, idle connections and connections that come and go, in floods, while
//! everybody else is served (faults F14 and F15).
//!
//! Each part is a flood against both services from a thread of its own. Onlookers time `/healthz`, the key set and a movie
//! with a token meanwhile; what is measured besides is when the service had rid itself of the flood.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::figures::Figure;
use super::login_flood::token;
use super::probe::watch_quietly;
use super::table::Place;
use crate::bench::cpu::Process;
use crate::bench::rig::free_addresses;
use crate::interrupt::Interrupt;
use crate::up::addresses::Addresses;
use crate::up::build::{AUTH, MOVIES};
use crate::up::provision::provision;
use crate::up::serve::Service;
use crate::up::services::Services;

/// What a server without these limits does.
pub const BESIDE: &str = "axum::serve: half a head, half a body and an unread answer are each held for ever";

/// What a client of a flood does with its connection.
#[derive(Clone, Copy)]
enum Habit {
    /// Sends this, and after it this byte every five seconds, until it is closed.
    Drips(&'static str, &'static str),
    /// Asks for much and reads nothing, until it is reset.
    Stares,
    /// Asks once and keeps the connection.
    Idles,
    /// Goes as soon as it has come, and comes again.
    Churns,
}

/// One flood: so many clients, and seconds until the last of them has to be closed.
struct Flood {
    name: &'static str,
    clients: u32,
    habit: Habit,
    closed_within: Option<f64>,
}

const FLOODS: [Flood; 5] = [
    Flood {
        name: "half-heads",
        clients: 2_000,
        habit: Habit::Drips("GET /healthz HTTP/1.1\r\nHost: x\r\n", "X"),
        closed_within: Some(10.0),
    },
    Flood {
        name: "slow-bodies",
        clients: 500,
        habit: Habit::Drips(
            "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 100\r\n\r\ngrant_type=",
            "p",
        ),
        closed_within: Some(15.0),
    },
    Flood { name: "slow-readers", clients: 500, habit: Habit::Stares, closed_within: Some(30.0) },
    Flood { name: "idle", clients: 10_000, habit: Habit::Idles, closed_within: None },
    Flood { name: "churn", clients: 32, habit: Habit::Churns, closed_within: None },
];

/// One round of all floods.
///
/// # Errors
/// When a server does not start or does not answer.
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let files = raise_files()?;
    let [auth, movies] = free_addresses()?;
    let addresses = Addresses { auth, movies };
    let Place { checkout, programs, environment, home, database, .. } = place;
    let services = Services::new(programs.clone(), environment, addresses, database.url.clone(), home);
    let made = provision(checkout, services, true, interrupt)?;
    let password = made.password.context("the demo user was there before")?;
    let mut issuer = Service::start(AUTH, &made.services.auth(&["serve"]), auth, home, interrupt)?;
    let mut server = Service::start(MOVIES, &made.services.movies(&["serve"]), movies, home, interrupt)?;
    let token = runtime()?.block_on(token(auth, &password))?;
    let process = Process::guarded_by(server.guard());
    let mut figures = Vec::new();
    for flood in &FLOODS {
        let clients = flood.clients.min(files / 2);
        let before = process.and_then(|process| process.memory_mib("VmRSS"));
        let running = Running::start(flood, clients, addresses, token.clone())?;
        let end = Instant::now() + place.length.min(Duration::from_secs(60));
        figures.extend(runtime()?.block_on(watch_quietly(flood.name, addresses, token.clone(), end))?);
        if let (Habit::Idles, Some(before), Some(process)) = (flood.habit, before, process) {
            let held = process.memory_mib("VmRSS").context("movies-api is gone")? - before;
            // Half of the clients are the other service's.
            let each = held.max(0.0) * 1024.0 / (f64::from(clients) / 2.0);
            figures.push(Figure::new(flood.name, "connections", f64::from(clients)));
            figures.push(Figure::new(flood.name, "memory of one, KiB", each).at_most(20.0));
        }
        figures.extend(running.stop(flood)?);
        interrupt.check()?;
        issuer.check()?;
        server.check()?;
    }
    Ok(figures)
}

/// As many descriptors as the system gives, for the clients are ours.
fn raise_files() -> Result<u32> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).context("cannot raise the limit of files")?;
    Ok(most.map_or(u32::MAX, |most| u32::try_from(most).unwrap_or(u32::MAX)))
}

/// A flood that runs.
struct Running {
    is_over: Arc<AtomicBool>,
    /// Connections made, and the longest that one was held, in milliseconds.
    made: Arc<AtomicU64>,
    closed: Arc<AtomicU64>,
    begun: Instant,
    thread: thread::JoinHandle<Result<()>>,
}

impl Running {
    fn start(flood: &Flood, clients: u32, addresses: Addresses, token: String) -> Result<Self> {
        let (is_over, made, closed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::default());
        let (runtime, habit, begun) = (runtime()?, flood.habit, Instant::now());
        let guest = Guest { habit, token, is_over: Arc::clone(&is_over), made: Arc::clone(&made), closed };
        let closed = Arc::clone(&guest.closed);
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let mut guests = JoinSet::new();
                for number in 0..clients {
                    let to = guest.server(number, addresses);
                    guests.spawn(guest.clone().stay(number, to));
                }
                guests.join_all().await.into_iter().collect()
            })
        });
        Ok(Self { is_over, made, closed, begun, thread })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and times of a minute")]
    fn stop(self, flood: &Flood) -> Result<Vec<Figure>> {
        self.is_over.store(true, Ordering::Relaxed);
        let lasted = self.begun.elapsed();
        self.thread.join().map_err(|_| anyhow!("the flood panicked"))??;
        let mut figures = Vec::new();
        if let Some(bound) = flood.closed_within {
            let closed = self.closed.load(Ordering::Relaxed) as f64 / 1000.0;
            figures.push(Figure::new(flood.name, "the longest was held, s", closed).at_most(bound));
        }
        if matches!(flood.habit, Habit::Churns) {
            let made = self.made.load(Ordering::Relaxed) as f64 / lasted.as_secs_f64();
            figures.push(Figure::new(flood.name, "connections a second", made));
        }
        Ok(figures)
    }
}

/// One client of a flood.
#[derive(Clone)]
struct Guest {
    habit: Habit,
    token: String,
    is_over: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    closed: Arc<AtomicU64>,
}

impl Guest {
    fn server(&self, number: u32, Addresses { auth, movies }: Addresses) -> SocketAddr {
        match self.habit {
            Habit::Stares => movies,
            Habit::Drips(sent, _) if sent.starts_with("POST") => auth,
            _ if number.is_multiple_of(2) => auth,
            _ => movies,
        }
    }

    async fn stay(self, number: u32, to: SocketAddr) -> Result<()> {
        match self.habit {
            Habit::Drips(sent, byte) => {
                let (mut stream, since) = (self.connect(number, to).await?, Instant::now());
                stream.write_all(sent.as_bytes()).await?;
                self.until_closed(&mut stream, since, byte).await;
            }
            Habit::Stares => {
                // All at once they would be a flood of work, which is another fault.
                sleep(Duration::from_millis(60) * number).await;
                let (mut stream, since) = (self.connect(number, to).await?, Instant::now());
                let one = format!(
                    "GET /movies/new?year=1900&rating=0&limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
                    self.token
                );
                stream.write_all(one.repeat(8).as_bytes()).await?;
                // Nothing is read: that it was reset shows itself at the next byte.
                while !self.is_over.load(Ordering::Relaxed) && stream.write_all(b"\r\n").await.is_ok() {
                    sleep(Duration::from_millis(500)).await;
                }
                self.note_end(since);
            }
            Habit::Idles => {
                let (mut stream, since) = (self.connect(number, to).await?, Instant::now());
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await?;
                self.until_closed(&mut stream, since, "").await;
            }
            Habit::Churns => {
                for turn in 0_u32.. {
                    if self.is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    drop(self.connect(number.wrapping_add(turn.wrapping_mul(32)), to).await?);
                }
            }
        }
        Ok(())
    }

    /// Each from an address of its own, for the ports of one are soon used up.
    async fn connect(&self, number: u32, to: SocketAddr) -> Result<TcpStream> {
        let from = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + 0x0100 + number % 0xff_0000);
        let socket = TcpSocket::new_v4()?;
        if matches!(self.habit, Habit::Stares) {
            // With the room that the system gives, each would ask for dozens of pages before one is stuck: a flood of work.
            socket.set_recv_buffer_size(4096)?;
        }
        socket.bind((from, 0).into()).with_context(|| format!("cannot use the address {from}"))?;
        let stream = socket.connect(to).await.with_context(|| format!("cannot reach {to}"))?;
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(stream)
    }

    async fn until_closed(&self, stream: &mut TcpStream, since: Instant, byte: &str) {
        let mut answer = [0; 1024];
        while !self.is_over.load(Ordering::Relaxed) {
            match timeout(Duration::from_secs(5), stream.read(&mut answer)).await {
                Ok(Ok(0) | Err(_)) => return self.note_end(since),
                Ok(Ok(_)) => {}
                Err(_) => drop(stream.write_all(byte.as_bytes()).await),
            }
        }
        self.note_end(since);
    }

    fn note_end(&self, since: Instant) {
        let after = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.closed.fetch_max(after, Ordering::Relaxed);
    }
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}
