//! F12 and P11 with the real binary: a flood of logins slows nobody else, memory stays where it is, and what nobody
//! waits for costs nothing. Ten seconds each; the full figures are those of `cargo xtask soak login-flood`.
//!
//! Each measures first what the machine does when nothing is asked of it, and judges the flood beside that: a machine that
//! is busy with something else is slow before the flood as well.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use shared::db::Pool;

use super::binary::{Binary, PATIENCE, Server, until};
use super::wire::{get, token};
use crate::app::{EMAIL, PASSWORD, TestApp, encode, login};

const FLOOD: Duration = Duration::from_secs(10);
/// How long the machine is watched before.
const IDLE: Duration = Duration::from_secs(2);
/// What an onlooker may have to wait beyond ten times what it waits without a flood. (Hashing in the runtime's own threads
/// makes it 30 s.)
const SLACK: Duration = Duration::from_millis(500);
/// What an honest login may take beyond fifty times what it takes without a flood: the queue's 2 s, and a few returns.
const HONEST: Duration = Duration::from_secs(15);
/// Logins of which the cost of one is the mean.
const LOGINS: u32 = 10;
/// Clients that hang up at once.
const LEAVERS: u8 = 200;
/// Connections of a flood.
const CONNECTIONS: usize = 400;
/// So that nothing but the lane stands in the way of a flood.
const NO_LIMIT: &str = "100000000:100000000";
/// Argon2id of the default settings, in KiB.
const HASH_KIB: u64 = 19_456;
const LANES: u64 = 2;

/// Wrong logins over and over until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    answers: [Arc<AtomicUsize>; 4],
    threads: Vec<JoinHandle<()>>,
}

/// A connection from one of this machine's own loopback addresses.
fn open(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn request(parameters: &[(&str, &str)]) -> String {
    let body = encode(parameters);
    format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends on a connection that stays open; answers are short enough for one buffer.
fn exchange(stream: &mut TcpStream, request: &str) -> std::io::Result<u16> {
    stream.write_all(request.as_bytes())?;
    let (mut buffer, mut length) = ([0; 4096], 0);
    loop {
        let read = stream.read(buffer.get_mut(length..).unwrap_or_default())?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
        let text = String::from_utf8_lossy(&buffer[..length]);
        if text.contains("\r\n\r\n{") && text.ends_with('}') {
            return Ok(text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0));
        }
    }
}

impl Flood {
    fn start(to: SocketAddr, addresses: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers: [Arc<AtomicUsize>; 4] = Default::default();
        let threads = (0..CONNECTIONS).map(|number| {
            let (stop, answers) = (Arc::clone(&stop), answers.clone());
            let last = u8::try_from(number % addresses).unwrap();
            let email = format!("flood-{number}@example.com");
            let flood = move || {
                let request = request(&login(&email, "a wrong password"));
                let Ok(mut stream) = open([127, 0, 1, 1 + last].into(), to) else { return };
                while !stop.load(Ordering::Relaxed) {
                    let counter = match exchange(&mut stream, &request) {
                        Ok(400) => 0,
                        Ok(429) => 1,
                        Ok(503) => 2,
                        _ => 3,
                    };
                    answers[counter].fetch_add(1, Ordering::Relaxed);
                }
            };
            std::thread::Builder::new().stack_size(128 * 1024).spawn(flood).unwrap()
        });
        Self { threads: threads.collect(), stop, answers }
    }

    /// How many logins were refused (400), throttled (429), put off (503), or not answered.
    fn answers(&self) -> [usize; 4] {
        self.answers.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// A line of `/proc/PID/status`, in KiB.
fn memory_kib(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

/// Ticks of the processor that the server has spent.
fn cpu_ticks(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.process.id())).unwrap();
    let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).map(|field| field.parse::<u64>());
    fields.next().unwrap().unwrap() + fields.next().unwrap().unwrap()
}

/// What a server does before a flood.
struct Idle {
    memory_kib: u64,
    p99: Duration,
    login: Duration,
    login_ticks: u64,
}

impl Idle {
    fn of(server: &Server) -> Self {
        assert_eq!(token(server.address, &login(EMAIL, PASSWORD), &[]).status, 200);
        let (begun, before) = (Instant::now(), cpu_ticks(server));
        for _ in 0..LOGINS {
            assert_eq!(token(server.address, &login(EMAIL, PASSWORD), &[]).status, 200);
        }
        let (login, spent) = (begun.elapsed() / LOGINS, cpu_ticks(server) - before);
        let login_ticks = (spent / u64::from(LOGINS)).max(1);
        Self { memory_kib: memory_kib(server, "VmRSS"), p99: watch(server, IDLE), login, login_ticks }
    }

    fn most_for_onlookers(&self) -> Duration {
        self.p99 * 10 + SLACK
    }

    fn most_for_a_login(&self) -> Duration {
        self.login * 50 + HONEST
    }

    #[track_caller]
    fn check_memory(&self, server: &Server) {
        let peak = memory_kib(server, "VmHWM");
        let most = self.memory_kib + LANES * HASH_KIB + 128 * 1024;
        assert!(peak <= most, "{peak} KiB of at most {most}");
    }
}

/// What an onlooker sees: the 99th percentile of `/healthz` and of the key set.
fn watch(server: &Server, length: Duration) -> Duration {
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < length {
        for path in ["/healthz", "/.well-known/jwks.json"] {
            let since = Instant::now();
            assert_eq!(get(server.address, path).status, 200);
            times.push(since.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    times.sort();
    times[times.len() * 99 / 100]
}

/// Logs in as people do, from an address that has not had a turn of late: who is told to come back does. How long it took
/// in the end.
fn honest_login(address: SocketAddr, turn: u8, most: Duration) -> Duration {
    let begun = Instant::now();
    loop {
        let mut stream = open([127, 0, 9, turn].into(), address).unwrap();
        match exchange(&mut stream, &request(&login(EMAIL, PASSWORD))).unwrap() {
            200 => return begun.elapsed(),
            503 => std::thread::sleep(Duration::from_secs(1)),
            status => panic!("an honest login is answered {status}"),
        }
        assert!(begun.elapsed() < most, "no honest login in {most:?}");
    }
}

fn binary(pool: &Pool) -> Binary {
    let lanes = LANES.to_string();
    Binary::on(pool).with("MYAPI_AUTH__PASSWORD_LANES", &lanes).with("MYAPI_AUTH__DATABASE_CONNECTIONS", "10")
}

/// The limits are out of the way: 200 addresses, each with two connections, and the lane alone to hold them.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f12_a_flood_from_many_addresses_slows_nobody_else(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let limits = ["ACCOUNT", "ADDRESS", "PREFIX", "CLIENT"].map(|of| format!("MYAPI_AUTH__LIMIT_{of}"));
    let binary = limits.iter().fold(binary(&pool), |binary, name| binary.with(name, NO_LIMIT));
    let mut server = binary.serve();
    let idle = Idle::of(&server);
    let flood = Flood::start(server.address, 200);
    assert!(until(|| flood.answers()[0] > 10), "the flood does not begin: {:?}", flood.answers());

    // An honest login from another address, again and again: its turn comes before those who have just had theirs.
    let (address, most) = (server.address, idle.most_for_a_login());
    let honest = std::thread::spawn(move || (1..4).map(|turn| honest_login(address, turn, most)).collect::<Vec<_>>());
    let p99 = watch(&server, FLOOD);
    let [refused, throttled, put_off, broken] = flood.answers();
    assert_eq!((throttled, broken), (0, 0), "{refused} refused, {put_off} put off");
    assert!(put_off > 0, "the queue was never full");
    assert!(p99 < idle.most_for_onlookers(), "p99 {p99:?}, without a flood {:?}", idle.p99);
    let honest = honest.join().unwrap();
    assert!(honest.iter().all(|time| *time < most), "{honest:?}");
    eprintln!("p99 {:?}, then {p99:?}; honest logins {:?}, then {honest:?}", idle.p99, idle.login);
    eprintln!("{refused} refused, {put_off} put off");
    idle.check_memory(&server);

    // All hang up at once. What they waited for is not begun: it costs a small part of what it would have.
    drop(flood);
    let before = cpu_ticks(&server);
    let mut hung_up: Vec<TcpStream> =
        (0..LEAVERS).map(|last| open([127, 0, 2, last].into(), address).unwrap()).collect();
    for (number, stream) in hung_up.iter_mut().enumerate() {
        stream.write_all(request(&login(&format!("gone-{number}@example.com"), "wrong")).as_bytes()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(50));
    drop(hung_up);
    let mut ticks = before;
    let rests = until(|| {
        std::thread::sleep(Duration::from_secs(1));
        let now = cpu_ticks(&server);
        std::mem::replace(&mut ticks, now) + idle.login_ticks >= now
    });
    let (spent, asked) = (ticks - before, u64::from(LEAVERS) * idle.login_ticks);
    eprintln!("{spent} ticks after everybody hung up; what they asked for is {asked}");
    assert!(rests && spent < asked / 2, "{spent} ticks of {asked} after everybody hung up");
    assert!(server.process.is_running());
}

/// With the limits as they are: one address, 400 connections.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f12_a_flood_from_one_address_is_throttled_and_warned_of_once(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = binary(&pool).serve();
    let idle = Idle::of(&server);
    let flood = Flood::start(server.address, 1);
    assert!(until(|| flood.answers()[1] > 0), "nothing is throttled: {:?}", flood.answers());
    let most = idle.most_for_a_login();
    assert!(honest_login(server.address, 1, most) < most);
    let p99 = watch(&server, FLOOD);
    assert!(p99 < idle.most_for_onlookers(), "p99 {p99:?}, without a flood {:?}", idle.p99);
    let [refused, throttled, _, broken] = flood.answers();
    assert!(refused <= 30 && throttled > 0 && broken == 0, "{:?}", flood.answers());
    idle.check_memory(&server);
    drop(flood);
    let log = server.stop().log();
    let warned = |of: &str| {
        let is_it = |line: &&serde_json::Value| {
            line["message"] == "failed logins are being slowed down" && line["limit.of"] == of
        };
        log.iter().filter(is_it).count()
    };
    assert_eq!((warned("address"), warned("account")), (1, 0));
}
