//! The two running services.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::build::{AUTH, MOVIES};
use super::logs::Log;
use super::services::Services;
use super::{addresses, http, log_file};
use crate::folder;
use crate::interrupt::Interrupt;
use crate::postgres::Server;
use crate::postgres::server::tail;
use crate::process::StopSignal;
use crate::process::guarded::{Guarded, Output, Watch};
use crate::progress::{Step, say};

/// How long a service may take until it is ready.
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// How long a service may drain before it is killed.
const DRAIN_GRACE: Duration = Duration::from_secs(20);

/// How often the running pair is looked at.
const WATCH: Duration = Duration::from_millis(100);

/// One running service. Dropping it stops it.
pub struct Service {
    name: &'static str,
    guarded: Guarded,
    log: Log,
    log_end: String,
}

/// Everything that runs. Fields are stopped in this order, also by dropping.
pub struct Running {
    movies: Service,
    auth: Service,
    server: Option<Server>,
}

/// Starts auth-server, then movies-api, which fetches its keys; waits until each is ready.
///
/// # Errors
/// When one does not become ready, with the end of its log.
pub fn start(services: &Services, home: &Path, server: Option<Server>, interrupt: &Interrupt) -> Result<Running> {
    // Dropped last when the second service fails.
    let server = server;
    let step = Step::start("Services", "starting auth-server");
    let auth = Service::start(AUTH, &services.auth(&["serve"]), services.addresses.auth, home, interrupt)?;
    step.now("starting movies-api");
    let movies = Service::start(MOVIES, &services.movies(&["serve"]), services.addresses.movies, home, interrupt)?;
    step.done("ready");
    Ok(Running { movies, auth, server })
}

impl Running {
    /// Shows warnings until somebody interrupts.
    ///
    /// # Errors
    /// When a part ends by itself.
    pub fn watch(&mut self, interrupt: &Interrupt) -> Result<()> {
        while !interrupt.is_raised() {
            for service in [&mut self.auth, &mut self.movies] {
                service.log.take_warnings().iter().for_each(|line| say(line));
                service.check()?;
            }
            if let Some(server) = &mut self.server {
                server.check()?;
            }
            thread::sleep(WATCH);
        }
        Ok(())
    }

    /// Stops the services, which drain, and then Postgres.
    ///
    /// # Errors
    /// When a guard cannot be waited for.
    pub fn stop(mut self) -> Result<()> {
        self.movies.guarded.stop()?;
        self.auth.guarded.stop()?;
        self.server.map_or(Ok(()), Server::stop)
    }
}

impl Service {
    /// Starts it, its log in `home`, and waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it does not become ready, with the end of its log.
    pub fn start(
        name: &'static str,
        command: &Command,
        address: SocketAddr,
        home: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let path = log_file(home, name);
        let file = folder::create_log(&path)?;
        let watch = Watch { signal: StopSignal::Term, grace: DRAIN_GRACE, group: false, ids: None, remove: Vec::new() };
        let guarded = Guarded::spawn(command, watch, Output::File(file), interrupt)?;
        let log = Log::follow(name, &path)?;
        let mut service = Self { name, guarded, log, log_end: path.display().to_string() };
        let deadline = Instant::now() + READY_PATIENCE;
        loop {
            let answer = http::status(addresses::reached_at(address), "/readyz");
            // First: something else may have taken the port meanwhile and answer in its place.
            service.check()?;
            if matches!(answer, Ok(200)) {
                return Ok(service);
            }
            if Instant::now() > deadline {
                let why = answer.map_or_else(|error| error.to_string(), |status| format!("/readyz answers {status}"));
                bail!("{name} did not become ready: {why}. {}", service.last_words());
            }
            interrupt.pause()?;
        }
    }

    /// The id of its guard, whose only child it is.
    #[cfg(feature = "bench")]
    pub fn guard(&self) -> u32 {
        self.guarded.id()
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// When its guard cannot be waited for.
    #[cfg(feature = "bench")]
    pub fn stop(mut self) -> Result<std::process::ExitStatus> {
        self.guarded.stop()
    }

    /// # Errors
    /// When it has ended by itself, with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.guarded.find_exit()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}). {}", self.name, self.last_words()),
        }
    }

    fn last_words(&self) -> String {
        format!("The end of {}:\n{}", self.log_end, tail(Path::new(&self.log_end), 15))
    }
}
