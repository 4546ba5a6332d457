//! `two-versions`: an upgrade from an older version to this one, process by process, and back, under load (fault F30).
//!
//! 1. The older version makes the database and serves alone.
//! 2. This version migrates while the older one serves, and then serves beside it.
//! 3. The older processes get SIGTERM, and this version serves alone.
//! 4. The older version comes back on the newer schema, beside this one, and then alone. One that does not know yet how to be
//!    told so (`MYAPI_DATABASE__ACCEPT_NEWER`) stays away, and that is noted.
//!
//! All the while everybody asks one address for each service, and what one version gives is taken to both.

mod door;
mod load;
mod older;
mod replica;
mod seen;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use self::door::Door;
use self::load::World;
pub use self::older::Older;
use self::replica::{Doors, Replica, Version};
use self::seen::Seen;
use super::figures::Figure;
use super::table::Place;
use crate::bench::database::{Code, GivenFor};
use crate::interrupt::Interrupt;
use crate::process::once::must;
use crate::progress::say;
use crate::random;
use crate::up::addresses::Addresses;
use crate::up::provision::{CALLBACK, USER, provision};
use crate::up::services::Services;

/// What is usual.
pub const BESIDE: &str = "an upgrade at night: both stopped, migrated and started, and no way back";

const CLIENT: &str = "app";
const SERVICE: &str = "service";
const SCOPE: &str = "movies:read movies:write";
/// People who log in and refresh, and films that are written.
const PEOPLE: u32 = 4;
const FILMS: [u32; 2] = [900_001, 900_002];
/// More codes than are redeemed in an hour.
const CODES: u32 = 20_000;
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// One round.
///
/// # Errors
/// When there is no older version, a process does not start, or one ends by itself.
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let Place { checkout, programs, environment, home, database, .. } = place;
    let older = place.older.programs(checkout, interrupt)?;
    let [auth, movies, old_auth, old_movies, new_auth, new_movies] = kept_addresses()?;
    let front = Addresses { auth, movies };
    let services = |programs| Services::new(programs, environment, front, database.url.clone(), home);
    let made = provision(checkout, services(older), false, interrupt)?;
    let old = Version {
        services: made.services,
        addresses: Addresses { auth: old_auth, movies: old_movies },
        home: home.join("older"),
    };
    let new = Version {
        services: services(programs.clone()),
        addresses: Addresses { auth: new_auth, movies: new_movies },
        home: home.join("newer"),
    };
    let proxies = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let doors = Doors { auth: Door::open(proxies.handle(), auth)?, movies: Door::open(proxies.handle(), movies)? };
    let world = Arc::new(world(place, &old.services, front, doors, interrupt)?);
    Upgrade { place, old, new, world, interrupt }.play()
}

/// Addresses that stay free while nobody listens there: below the ports that systems give to those who connect.
fn kept_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let first = 12_000 + u16::try_from(std::process::id() % 1000)? * 16;
    let ports = (first..first + 2000).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let free: Vec<SocketAddr> = ports.filter(|address| TcpListener::bind(address).is_ok()).take(N).collect();
    free.try_into().map_err(|_| anyhow!("no free ports"))
}

/// A client, a service, a user, films and codes, by the older version's commands.
fn world(place: &Place<'_>, old: &Services, front: Addresses, doors: Doors, interrupt: &Interrupt) -> Result<World> {
    let app = ["client", "create", CLIENT, "--public", "--grant", "password", "--grant", "refresh_token", "--grant"];
    let app = [&app[..], &["authorization_code", "--native", "--redirect-uri", CALLBACK]].concat();
    let scopes = ["--scope", "movies:read", "--scope", "movies:write"];
    must(&old.auth(&[&app[..], &scopes].concat()), None, "", interrupt)?;
    let audience = format!("http://{}", front.movies);
    let service = ["client", "create", SERVICE, "--grant", "client_credentials", "--scope", "movies:read"];
    let service = [&service[..], &["--serves", &audience, "--output", "json"]].concat();
    let service: Value = serde_json::from_str(&must(&old.auth(&service), None, "", interrupt)?)?;
    let secret = service.get("client_secret").and_then(Value::as_str).context("the service has no secret")?;
    let password = random::password()?;
    let user = ["create-user", "--name", "Demo User", "--email", USER, "--password-stdin"];
    must(&old.auth(&user), None, &format!("{password}\n"), interrupt)?;
    must(&old.auth(&[&["user", "set-scopes", USER], &scopes[..]].concat()), None, "", interrupt)?;
    let films = place.checkout.root.join("movies-api/data/movies.csv");
    must(old.movies(&["import"]).arg(films), None, "", interrupt)?;

    let given = GivenFor { client_id: CLIENT, redirect_uri: CALLBACK, scope: SCOPE, email: USER, challenge: CHALLENGE };
    let now = u32::try_from(chrono::Utc::now().timestamp())?;
    let codes: Vec<Code> = (0..CODES).map(|_| Code::generate(now)).collect::<Result<_>>()?;
    place.database.insert_codes(&codes, &given)?;
    let callback = CALLBACK.replace(':', "%3A").replace('/', "%2F");
    let redeem = format!(
        "grant_type=authorization_code&client_id={CLIENT}&redirect_uri={callback}&code_verifier={VERIFIER}&code="
    );
    let scope = SCOPE.replace(' ', "+");
    Ok(World {
        seen: Seen::default(),
        front,
        doors,
        login: format!(
            "grant_type=password&client_id={CLIENT}&username={}&password={password}&scope={scope}",
            USER.replace('@', "%40")
        ),
        client: CLIENT,
        service: format!("client_id={SERVICE}&client_secret={secret}"),
        codes: codes.iter().map(|code| format!("{redeem}{}", code.text())).collect(),
        next_code: AtomicUsize::new(0),
    })
}

/// The steps.
struct Upgrade<'a> {
    place: &'a Place<'a>,
    old: Version,
    new: Version,
    world: Arc<World>,
    interrupt: &'a Interrupt,
}

impl Upgrade<'_> {
    fn play(self) -> Result<Vec<Figure>> {
        let doors = &self.world.doors;
        let mut old = self.old.start(doors, false, self.interrupt)?;
        let load = Load::start(&self.world)?;
        self.let_run("the older version alone", &mut [&mut old])?;

        let begun = Instant::now();
        must(&self.new.services.auth(&["migrate"]), None, "", self.interrupt)?;
        let migrated = begun.elapsed();
        self.let_run("the older version on the newer schema", &mut [&mut old])?;
        let mut new = self.new.start(doors, false, self.interrupt)?;
        self.let_run("both", &mut [&mut old, &mut new])?;
        let mut ended_badly = old.drain(doors)?;
        self.let_run("this version alone", &mut [&mut new])?;

        let goes_back = self.old.can_go_back(self.interrupt)?;
        if goes_back {
            let mut old = self.old.start(doors, true, self.interrupt)?;
            self.let_run("both again", &mut [&mut old, &mut new])?;
            ended_badly += new.drain(doors)?;
            self.let_run("the older version alone, again", &mut [&mut old])?;
            load.stop()?;
            ended_badly += old.drain(doors)?;
        } else {
            load.stop()?;
            ended_badly += new.drain(doors)?;
        }
        let seen = &self.world.seen;
        for fault in seen.told() {
            say(&format!("      FAULT {fault}"));
        }
        let mut figures = seen.figures();
        let part = "processes";
        figures.push(Figure::new(part, "migrated under load in, s", migrated.as_secs_f64()));
        figures.push(Figure::new(part, "did not end with 0", f64::from(ended_badly)).at_most(0.0));
        figures.push(Figure::new(part, "went back to the older version", f64::from(u8::from(goes_back))));
        Ok(figures)
    }

    fn let_run(&self, what: &str, replicas: &mut [&mut Replica]) -> Result<()> {
        say(&format!("        Part {what}"));
        let end = Instant::now() + self.place.length;
        while Instant::now() < end {
            self.interrupt.pause()?;
            replicas.iter_mut().try_for_each(|replica| replica.check())?;
        }
        Ok(())
    }
}

/// All who ask, in a thread of their own.
struct Load {
    world: Arc<World>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Load {
    fn start(world: &Arc<World>) -> Result<Self> {
        let (runtime, own): (Runtime, _) = (Builder::new_current_thread().enable_all().build()?, Arc::clone(world));
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let mut asking = JoinSet::new();
                for _ in 0..PEOPLE {
                    let world = Arc::clone(&own);
                    asking.spawn(async move { world.person().await });
                }
                for film in FILMS {
                    let world = Arc::clone(&own);
                    asking.spawn(async move { world.writer(film).await });
                }
                let world = Arc::clone(&own);
                asking.spawn(async move { world.service().await });
                let world = Arc::clone(&own);
                asking.spawn(async move { world.codes().await });
                asking.join_all().await.into_iter().collect()
            })
        });
        Ok(Self { world: Arc::clone(world), thread })
    }

    fn stop(self) -> Result<()> {
        self.world.seen.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}
