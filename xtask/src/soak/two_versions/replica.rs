//! Both binaries of one version, behind the doors.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use shared::config::ACCEPT_NEWER;

use super::door::Door;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::up::addresses::Addresses;
use crate::up::build::{AUTH, MOVIES};
use crate::up::serve::Service;
use crate::up::services::Services;

/// The two addresses that everybody asks.
#[derive(Clone)]
pub struct Doors {
    /// auth-server's, the issuer.
    pub auth: Door,
    /// movies-api's, the audience.
    pub movies: Door,
}

/// One version, where it listens and where it logs.
pub struct Version {
    /// Its binaries with the settings that both versions have.
    pub services: Services,
    /// Where its processes listen.
    pub addresses: Addresses,
    /// The folder of its logs.
    pub home: PathBuf,
}

/// Its two processes.
pub struct Replica {
    auth: Service,
    movies: Service,
    addresses: Addresses,
}

impl Version {
    /// Starts both and shows them to everybody. `accepts_newer` where the database is a newer version's.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(&self, doors: &Doors, accepts_newer: bool, interrupt: &Interrupt) -> Result<Replica> {
        fs::create_dir_all(&self.home).with_context(|| format!("cannot make {}", self.home.display()))?;
        let Addresses { auth: auth_at, movies: movies_at } = self.addresses;
        let (mut auth, mut movies) = (self.services.auth(&["serve"]), self.services.movies(&["serve"]));
        auth.env("MYAPI_AUTH__BIND", auth_at.to_string());
        movies.env("MYAPI_MOVIES__BIND", movies_at.to_string());
        movies.env("MYAPI_MOVIES__KEY_CACHE", self.home.join("keys.json"));
        if accepts_newer {
            auth.env(ACCEPT_NEWER, "true");
            movies.env(ACCEPT_NEWER, "true");
        }
        let auth = Service::start(AUTH, &auth, auth_at, &self.home, interrupt)?;
        doors.auth.add(auth_at);
        let movies = Service::start(MOVIES, &movies, movies_at, &self.home, interrupt)?;
        doors.movies.add(movies_at);
        Ok(Replica { auth, movies, addresses: self.addresses })
    }

    /// Whether it can be told to go on with a newer database.
    ///
    /// # Errors
    /// When it does not run.
    pub fn can_go_back(&self, interrupt: &Interrupt) -> Result<bool> {
        let settings = once::must(&self.services.auth(&["config", "show"]), None, "", interrupt)?;
        Ok(settings.contains(ACCEPT_NEWER))
    }
}

impl Replica {
    /// # Errors
    /// When a process has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        self.auth.check()?;
        self.movies.check()
    }

    /// SIGTERM while everybody still asks it; how many of the two did not end well.
    ///
    /// # Errors
    /// When they cannot be waited for.
    pub fn drain(self, doors: &Doors) -> Result<u32> {
        let movies = self.movies.stop()?;
        doors.movies.remove(self.addresses.movies);
        let auth = self.auth.stop()?;
        doors.auth.remove(self.addresses.auth);
        Ok(u32::from(!movies.success()) + u32::from(!auth.success()))
    }
}
