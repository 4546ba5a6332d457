//! Which soaks there are.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::figures::Figure;
use super::login_flood;
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
    /// How long the trial is to last.
    pub length: Duration,
}

/// All of them, in the order in which they run.
pub const SOAKS: &[Soak] = &[Soak {
    name: "login-flood",
    what: "400 connections of wrong logins, from 1 and from 200 addresses; everybody else goes on",
    beside: login_flood::BESIDE,
    trial: login_flood::run,
}];
