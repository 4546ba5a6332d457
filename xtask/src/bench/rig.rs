//! Everything that is measured, running: the two services with the demo data of `up`, auth-server once more for its
//! tokens, and the bare server.

mod apart;

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};

use super::cases::Case;
use super::cores::{Cores, Side};
use super::cpu::Process;
use super::database::Database;
use super::load::{self, Load};
use super::measured::Lengths;
use super::raw::Costs;
use super::script::{Ask, Script};
use super::server::{self, Samples};
use super::tokens::Tokens;
use crate::checkout::Checkout;
use crate::environment::Environment;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::up::addresses::Addresses;
use crate::up::build::{AUTH, MOVIES, Programs};
use crate::up::provision::{self, CLIENT, USER};
use crate::up::serve::Service;
use crate::up::services::Services;

/// Connections to the servers of movies and tokens, a few more than their pools have.
pub const CONNECTIONS: usize = 16;
/// Connections to auth-server for each thread that hashes, so that none is ever without work.
const LOGINS_PER_THREAD: usize = 4;
/// Movies that are asked for, in turn.
const KEYS: i64 = 1000;
/// How many logins auth-server computes at once; the number of cores unless set.
const LANES: &str = "MYAPI_AUTH__PASSWORD_LANES";
/// Where an auth-server listens.
const BIND: &str = "MYAPI_AUTH__BIND";
/// Limits of movies-api that one user of a load generator does not reach. Not off: counting is a part of what it does.
const LIMITS: [(&str, &str); 2] =
    [("MYAPI_MOVIES__LIMIT_SUBJECT", "10000000:1000000/s"), ("MYAPI_MOVIES__LIMIT_CLIENT", "10000000:1000000/s")];

/// What a rig is made from.
pub struct Parts<'a> {
    /// The checkout, for the demo movies.
    pub checkout: &'a Checkout,
    /// The two binaries.
    pub programs: Programs,
    /// The settings of whoever runs this.
    pub environment: &'a Environment,
    /// The folder of this run.
    pub home: &'a Path,
    /// An empty database.
    pub database: &'a Database,
    /// Where to run.
    pub cores: &'a Cores,
}

/// The running servers. Fields are stopped in this order, also by dropping.
pub struct Rig {
    bare: Running,
    movies: Running,
    auth: Running,
    issuer: Running,
    tokens: Tokens,
    password: String,
    keys: Vec<i64>,
    /// The costs of the demo user's hash.
    pub costs: Costs,
    stored: String,
    services: Services,
    limits: Vec<(&'static str, &'static str)>,
}

struct Running {
    service: Service,
    address: SocketAddr,
    process: Option<Process>,
}

impl Rig {
    /// Fills the database and starts the servers.
    ///
    /// # Errors
    /// When a step of the way fails.
    pub fn start(parts: Parts<'_>, interrupt: &Interrupt) -> Result<Self> {
        let Parts { checkout, programs, environment, home, database, cores } = parts;
        let [auth_at, issuer_at, movies_at, bare_at] = free_addresses()?;
        let addresses = Addresses { auth: auth_at, movies: movies_at };
        let services = Services::new(programs, environment, addresses, database.url.clone(), home);
        let made = provision::provision(checkout, services, true, interrupt)?;
        let password = made.password.context("the demo user was there before")?;
        let lanes = environment.find(LANES).map_or(Ok(cores.count()), str::parse).context(LANES)?;
        let stored = database.stored_hash(USER)?;
        let costs = Costs::of(&stored, lanes)?;
        let keys = database.movies(KEYS)?;

        // It hashes on all cores; the others are to have one to themselves.
        let auth = Running::start(AUTH, &made.services.auth(&["serve"]), auth_at, home, interrupt)?;
        let tokens = Tokens::provision(&made.services, database, &password, CONNECTIONS, interrupt)?;
        let bare = bare_server(bare_at, database, &tokens.samples()?)?;
        cores.enter(Side::Server);
        let limits = limits(&made.services, interrupt)?;
        let mut movies = made.services.movies(&["serve"]);
        movies.envs(limits.iter().copied());
        let movies = Running::start(MOVIES, &movies, movies_at, home, interrupt)?;
        let mut issuer = made.services.auth(&["serve"]);
        issuer.env(BIND, issuer_at.to_string());
        let issuer = Running::start("auth-server-tokens", &issuer, issuer_at, home, interrupt)?;
        let bare = Running::start("bench-server", &bare, bare_at, home, interrupt)?;
        cores.enter(Side::Both);
        let services = made.services;
        let rig = Self { bare, movies, auth, issuer, tokens, password, keys, costs, stored, services, limits };
        rig.compare_answers()?;
        rig.tokens.compare(issuer_at, bare_at)?;
        Ok(rig)
    }

    /// What `case` is measured with; none for those of raw hashes, which have no server. Asks for new tokens each time, so
    /// that none ends on the way.
    ///
    /// # Errors
    /// When auth-server gives no token.
    pub fn find_load(
        &self,
        case: Case,
        lengths: Lengths,
        cores: &Cores,
        interrupt: &Interrupt,
    ) -> Result<Option<Load>> {
        let again = |requests: Vec<Ask>| Script::Again(requests.into());
        let tokens = || self.tokens.script(case, &self.issuer.load(again(Vec::new())), lengths, cores, interrupt);
        let load = match case {
            Case::Bare => self.bare.load(again(vec![get(server::BARE, None)?])),
            Case::Row => self.bare.load(again(self.movies_at(server::ROW, None)?)),
            Case::Handed => self.bare.load(again(self.movies_at(server::HANDED, None)?)),
            Case::Movies => self.movies.load(again(self.movies_at("/movies/", Some(&self.token()?))?)),
            Case::Login => Load {
                connections: self.costs.threads * LOGINS_PER_THREAD,
                ..self.auth.load(again(vec![self.login()?]))
            },
            Case::Raw | Case::Keycloak => return Ok(None),
            Case::ClientFloor | Case::RefreshFloor | Case::CodeFloor | Case::IntrospectFloor | Case::RevokeFloor => {
                self.bare.load(tokens()?)
            }
            Case::Client | Case::Refresh | Case::Code | Case::Introspect | Case::Revoke => self.issuer.load(tokens()?),
        };
        Ok(Some(load))
    }

    /// # Errors
    /// When a server has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        let all = [&mut self.bare, &mut self.movies, &mut self.auth, &mut self.issuer];
        all.into_iter().try_for_each(|running| running.service.check())
    }

    /// A comparison of different answers would be none.
    fn compare_answers(&self) -> Result<()> {
        let key = self.keys.first().context("there are no movies")?;
        let bare = load::ask(self.bare.address, get(server::BARE, None)?)?;
        let row = load::ask(self.bare.address, get(&format!("{}?movie_id={key}", server::ROW), None)?)?;
        let handed = load::ask(self.bare.address, get(&format!("{}?movie_id={key}", server::HANDED), None)?)?;
        let movies = get(&format!("/movies/?movie_id={key}"), Some(&self.token()?))?;
        let movies = load::ask(self.movies.address, movies)?;
        ensure!(
            bare == row && row == handed && row == movies,
            "the servers answer different bytes: {bare:?}, {row:?}, {handed:?}, {movies:?}"
        );
        Ok(())
    }

    fn movies_at(&self, path: &str, token: Option<&str>) -> Result<Vec<Ask>> {
        self.keys.iter().map(|key| get(&format!("{path}?movie_id={key}"), token)).collect()
    }

    fn login(&self) -> Result<Ask> {
        let body = format!(
            "grant_type=password&client_id={CLIENT}&username={}&password={}",
            USER.replace('@', "%40"),
            self.password
        );
        let request = Request::post("/token")
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(body))?;
        Ok(request)
    }

    fn token(&self) -> Result<String> {
        let answer: serde_json::Value = serde_json::from_slice(&load::ask(self.auth.address, self.login()?)?)?;
        let token = answer.get("access_token").and_then(|token| token.as_str());
        token.map(str::to_owned).context("auth-server answers without access_token")
    }
}

impl Running {
    fn start(
        name: &'static str,
        command: &Command,
        address: SocketAddr,
        home: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let service = Service::start(name, command, address, home, interrupt)?;
        let process = Process::guarded_by(service.guard());
        Ok(Self { service, address, process })
    }

    fn load(&self, script: Script) -> Load {
        let accepts = |status| status == StatusCode::OK;
        Load { address: self.address, server: self.process, connections: CONNECTIONS, script, accepts }
    }
}

/// Those that the measured movies-api has.
fn limits(services: &Services, interrupt: &Interrupt) -> Result<Vec<(&'static str, &'static str)>> {
    let settings = once::must(&services.movies(&["config", "show"]), None, "", interrupt)?;
    Ok(LIMITS.into_iter().filter(|(name, _)| settings.contains(name)).collect())
}

fn bare_server(bind: SocketAddr, database: &Database, samples: &Samples) -> Result<Command> {
    let mut command = Command::new(env::current_exe().context("cannot find this program")?);
    command.args(["__bench-server", "--bind", &bind.to_string()]).env("DATABASE_URL", &database.url);
    command.env(Samples::VARIABLE, serde_json::to_string(samples)?);
    Ok(command)
}

fn get(target: &str, token: Option<&str>) -> Result<Ask> {
    let mut request = Request::get(target).header(HOST, "localhost");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    Ok(request.body(Full::default())?)
}

/// Ports that nobody has at this moment.
///
/// # Errors
/// When there are none.
pub fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    // All are held until each is known, so that they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    addresses.try_into().map_err(|_| anyhow::anyhow!("no free ports"))
}
