//! What is measured beside the cases: refusals, memory, and the routes of the movies.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};

use super::{BIND, LOGINS_PER_THREAD, Rig, Running, free_addresses, get};
use crate::bench::cores::{Cores, Side};
use crate::bench::database::Database;
use crate::bench::load::{self, Load};
use crate::bench::measured::Lengths;
use crate::bench::memory::{self, Memory};
use crate::bench::refusals::{self, Target, Told};
use crate::bench::routes::{RouteFigures, Routes};
use crate::bench::script::Script;
use crate::bench::server::Issued;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::up::build::{AUTH, MOVIES};

/// Where a movies-api listens.
const MOVIES_BIND: &str = "MYAPI_MOVIES__BIND";
/// A client that reads and writes movies.
const WRITER: &str = "bench-writer";
/// Connections that ask for long lists, for memory under load.
const READERS: usize = 64;

impl Rig {
    /// What the time of refusals tells, with this many samples of each kind.
    ///
    /// # Errors
    /// When users cannot be made or a request fails.
    pub fn refusals(&self, samples: usize, cores: &Cores, interrupt: &Interrupt) -> Result<Vec<Told>> {
        let target =
            Target { address: self.auth.address, password: self.password.clone(), stored: self.stored.clone() };
        refusals::measure(&target, &self.services, samples, cores, interrupt)
    }

    /// Every route of the movies at both sizes. The last of all: it fills the table.
    ///
    /// # Errors
    /// When a request fails.
    pub fn routes(
        &self,
        database: &Database,
        lengths: Lengths,
        cores: &Cores,
        interrupt: &Interrupt,
    ) -> Result<Vec<RouteFigures>> {
        let token = self.writer(interrupt)?;
        let load = self.movies.load(Script::Again(Vec::new().into()));
        Routes { load, token, database, lengths, cores }.measure(interrupt)
    }

    /// What both services hold of memory.
    ///
    /// # Errors
    /// When one does not start, or does not answer.
    pub fn memory(&self, lengths: Lengths, cores: &Cores, interrupt: &Interrupt) -> Result<Vec<Memory>> {
        let lists = Script::Again([get("/movies?limit=1000", Some(&self.token()?))?].into());
        let logins = Script::Again([self.login()?].into());
        let hashing = self.costs.threads * LOGINS_PER_THREAD;
        let asked = [
            (MOVIES, lists, READERS, "64 connections, lists of 1,000 films"),
            (AUTH, logins, hashing, "logins on all lanes, 4 connections each"),
        ];
        let measure = |(service, script, connections, load)| {
            let idle = self.fresh(service, cores, interrupt)?;
            let idle_mib = memory::now(idle.process)?;
            let (open, connected_mib) = memory::with_connections(idle.address, idle.process)?;
            drop(idle);
            let loaded = self.fresh(service, cores, interrupt)?;
            let asking = Load { connections, ..loaded.load(script) };
            load::run(&asking, lengths, cores, interrupt)?;
            let loaded_mib = memory::most(loaded.process)?;
            Ok(Memory { service, idle_mib, connections: open, connected_mib, loaded_mib, load })
        };
        asked.into_iter().map(measure).collect()
    }

    /// One more of a service, with nothing behind it.
    fn fresh(&self, service: &'static str, cores: &Cores, interrupt: &Interrupt) -> Result<Running> {
        let [address]: [SocketAddr; 1] = free_addresses()?;
        let (mut command, variable) = match service {
            MOVIES => (self.services.movies(&["serve"]), MOVIES_BIND),
            _ => (self.services.auth(&["serve"]), BIND),
        };
        command.env(variable, address.to_string());
        if service == MOVIES {
            command.envs(self.limits.iter().copied());
        }
        cores.enter(if service == MOVIES { Side::Server } else { Side::Both });
        let running = Running::start(service, &command, address, &self.services.home, interrupt);
        cores.enter(Side::Both);
        running
    }

    /// A token that reads and writes.
    fn writer(&self, interrupt: &Interrupt) -> Result<String> {
        let mut create = self.services.auth(&["client", "create", WRITER, "--grant", "client_credentials"]);
        create.args(["--scope", "movies:read", "--scope", "movies:write", "--output", "json"]);
        let made: serde_json::Value = serde_json::from_str(&once::must(&create, None, "", interrupt)?)?;
        let secret = made.get("client_secret").and_then(|secret| secret.as_str()).context("a client without secret")?;
        let basic = format!("Basic {}", STANDARD.encode(format!("{WRITER}:{secret}")));
        let request = Request::post("/token")
            .header(HOST, "localhost")
            .header(AUTHORIZATION, basic)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from("grant_type=client_credentials"))?;
        Ok(Issued::read(&load::ask(self.auth.address, request)?)?.access_token)
    }
}
