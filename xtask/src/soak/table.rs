//! Which soaks there are.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::figures::Figure;
use super::{
    bad_networks, disk_full, failover, key_rotation, login_flood, million_movies, openapi, partition_drop,
    postgres_restart, refresh_kill, refresh_races, revocation_delay, squeeze, two_versions,
};
use crate::bench::database::Database;
use crate::checkout::Checkout;
use crate::environment::Environment;
use crate::interrupt::Interrupt;
use crate::up::build::Programs;

/// What a soak does: one round of it.
pub type Trial = fn(&Place<'_>, &Interrupt) -> Result<Vec<Figure>>;

/// A soak.
pub struct Soak {
    /// How it is called.
    pub name: &'static str,
    /// What it shows, in a line.
    pub what: &'static str,
    /// What to compare its figures with, for people.
    pub beside: &'static str,
    /// One round.
    pub trial: Trial,
}

/// Where a round takes place.
pub struct Place<'a> {
    /// The checkout, for demo data.
    pub checkout: &'a Checkout,
    /// The two binaries.
    pub programs: Programs,
    /// The settings of whoever runs this.
    pub environment: &'a Environment,
    /// An empty folder for keys and logs.
    pub home: &'a Path,
    /// An empty database.
    pub database: &'a Database,
    /// How long the trial is to last, where it goes by time.
    pub length: Duration,
    /// How often it is to do its thing, where somebody says so.
    pub times: Option<u32>,
    /// Which version is the older one, where there are two.
    pub older: two_versions::Older<'a>,
}

/// All of them, in the order in which they run.
pub const SOAKS: &[Soak] = &[
    Soak {
        name: "login-flood",
        what: "400 connections of wrong logins, from 1 and from 200 addresses; everybody else goes on",
        beside: login_flood::BESIDE,
        trial: login_flood::run,
    },
    Soak {
        name: "bad-networks",
        what: "2,000 half heads, 500 slow bodies, 500 slow readers, 10,000 idle connections, and churn; everybody else goes on",
        beside: bad_networks::BESIDE,
        trial: bad_networks::run,
    },
    Soak {
        name: "refresh-kill",
        what: "auth-server killed 500 times, and its connection reset at 300 COMMITs, in the middle of refreshes",
        beside: refresh_kill::BESIDE,
        trial: refresh_kill::run,
    },
    Soak {
        name: "refresh-races",
        what: "400 races of refreshes with each other, with revocations and with disabled users, on two replicas",
        beside: refresh_races::BESIDE,
        trial: refresh_races::run,
    },
    Soak {
        name: "partition-drop",
        what: "a million expired refresh tokens go at once while others are refreshed",
        beside: partition_drop::BESIDE,
        trial: partition_drop::run,
    },
    Soak {
        name: "key-rotation",
        what: "5 rotations under load with two issuers and two resource servers, and 60 that are killed",
        beside: key_rotation::BESIDE,
        trial: key_rotation::run,
    },
    Soak {
        name: "failover",
        what: "a standby is promoted 5 times while films are written and tokens are refreshed",
        beside: failover::BESIDE,
        trial: failover::run,
    },
    Soak {
        name: "openapi",
        what: "200 examples for each operation of both documents, fitting and not, with and without credentials",
        beside: openapi::BESIDE,
        trial: openapi::run,
    },
    Soak {
        name: "postgres-restart",
        what: "Postgres restarts 6 times, fast and at once, under mixed load",
        beside: postgres_restart::BESIDE,
        trial: postgres_restart::run,
    },
    Soak {
        name: "million-movies",
        what: "each route of movies-api with 3,000 and with a million movies, import beside a bare COPY, memory of an export",
        beside: million_movies::BESIDE,
        trial: million_movies::run,
    },
    Soak {
        name: "disk-full",
        what: "the database's disk is full 5 times while logins are refreshed; skipped where nothing can be mounted",
        beside: disk_full::BESIDE,
        trial: disk_full::run,
    },
    Soak {
        name: "two-versions",
        what: "an upgrade from an older version to this one and back, process by process, while everybody is served",
        beside: two_versions::BESIDE,
        trial: two_versions::run,
    },
    Soak {
        name: "squeeze",
        what: "half an hour of mixed load with 256 MiB for each service",
        beside: squeeze::BESIDE,
        trial: squeeze::run,
    },
    Soak {
        name: "revocation-delay",
        what: "1,200 revocations until two resource servers refuse, undisturbed and while connections are cut",
        beside: revocation_delay::BESIDE,
        trial: revocation_delay::run,
    },
];
