//! What the time of a refused login tells.
//!
//! Users of several kinds are made, and each is asked for once with a password that is refused, in turns of one of each
//! kind, from an address of its own, with nothing else going on. Then the best threshold on the time is sought that
//! tells one kind from existing users with a wrong password: on one half of the samples, and judged on the other, so
//! that chance is 0.5 and not a little more.

mod ask;
mod statistics;

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use self::statistics::{accuracy, mann_whitney, median};
use super::cores::Cores;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::up::services::Services;

/// argon2id at 8 MiB and 1 pass, of nobody's password.
const CHEAP: &str = "$argon2id$v=19$m=8192,t=1,p=1$ttY655xTqrWWcg6h9H6PUQ$Mz+ypZDCy4tIxc5ca4iUczq21s846AFWSOwZaLwk1MU";
/// bcrypt at a cost of 10, of nobody's password.
const DEAR: &str = "$2b$10$7i8rV6kOZ2oAaNmG1qvj4uEwUqnd4TUw5rY5Yw1mkbZ5Z5mqGvQ0C";
/// Bytes of a very long name.
const LONG: usize = 8192;

/// Clients that the requests are spread over, so that no limit on one of them has a say.
const CLIENTS: usize = 4;

/// Who is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An existing user, with a wrong password: what the others are compared with.
    Wrong,
    /// Nobody.
    Unknown,
    /// Nobody, by a name of thousands of letters.
    LongName,
    /// A disabled user, with the right password.
    Disabled,
    /// A user without a password.
    NoPassword,
    /// A user whose hash is cheaper than those of today.
    CheapHash,
    /// A user whose hash is dearer than those of today.
    DearHash,
}

/// What is compared in one go. A dear hash makes all refusals wait for its time, so it comes by itself.
const FIRST: [Kind; 6] =
    [Kind::Wrong, Kind::Unknown, Kind::LongName, Kind::Disabled, Kind::NoPassword, Kind::CheapHash];
const SECOND: [Kind; 3] = [Kind::Wrong, Kind::Unknown, Kind::DearHash];

/// One kind beside existing users with a wrong password.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Which.
    pub kind: Kind,
    /// How many of each.
    pub samples: usize,
    /// The median, in milliseconds.
    pub median_ms: f64,
    /// That of existing users with a wrong password.
    pub wrong_ms: f64,
    /// The share that the best threshold gets right; 0.5 is chance.
    pub accuracy: f64,
    /// The probability of a difference like this by chance (Mann-Whitney, two-sided).
    pub p: f64,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
            Self::LongName => "long",
            Self::Disabled => "disabled",
            Self::NoPassword => "none",
            Self::CheapHash => "cheap",
            Self::DearHash => "dear",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Wrong => "existing user, wrong password",
            Self::Unknown => "nobody",
            Self::LongName => "nobody, very long name",
            Self::Disabled => "disabled user, right password",
            Self::NoPassword => "user without a password",
            Self::CheapHash => "old cheap hash",
            Self::DearHash => "old dear hash",
        }
    }

    fn email(self, number: usize) -> String {
        match self {
            Self::LongName => format!("{}{number}@example.com", "x".repeat(LONG)),
            _ => format!("{}{number}@example.com", self.name()),
        }
    }

    /// A line for `user import`; none for those who are nobody.
    fn line(self, number: usize, stored: &str) -> Option<serde_json::Value> {
        let hash = match self {
            Self::Unknown | Self::LongName => return None,
            Self::Wrong | Self::Disabled => Some(stored),
            Self::NoPassword => None,
            Self::CheapHash => Some(CHEAP),
            Self::DearHash => Some(DEAR),
        };
        let (email, disabled) = (self.email(number), self == Self::Disabled);
        Some(serde_json::json!({ "email": email, "hashed_password": hash, "disabled": disabled }))
    }

    fn password(self, right: &str) -> &str {
        match self {
            Self::Disabled => right,
            _ => "a wrong password of some length",
        }
    }
}

/// Where logins are asked for, and what is known of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// auth-server.
    pub address: std::net::SocketAddr,
    /// The demo user's password, which the made users have as well.
    pub password: String,
    /// Its hash.
    pub stored: String,
}

/// Makes the users, asks, and compares: `samples` of each kind, and a quarter of it with a dear hash around.
///
/// # Errors
/// When a command or a request fails, or somebody interrupts.
pub fn measure(
    target: &Target,
    services: &Services,
    samples: usize,
    cores: &Cores,
    interrupt: &Interrupt,
) -> Result<Vec<Told>> {
    for number in 0..CLIENTS {
        let (id, mut create) = (client(number), services.auth(&["client", "create"]));
        create.args([&id, "--public", "--grant", "password", "--scope", "movies:read"]);
        once::must(&create, None, "", interrupt)?;
    }
    let mut told = Vec::new();
    for (kinds, samples, from) in [(&FIRST[..], samples, 0), (&SECOND[..], samples / 4, samples)] {
        // Of each user once: what an attempt leaves behind must not show in the next.
        let numbers = from..from + samples;
        import(target, services, kinds, numbers.clone(), interrupt)?;
        let times = ask::ask_all(target, kinds, numbers, cores, interrupt)?;
        let wrong = times.first().context("no kind was measured")?;
        let others = kinds.iter().zip(&times).skip(1);
        told.extend(others.map(|(kind, times)| Told::of(*kind, times, wrong)));
    }
    Ok(told)
}

/// The id of the client that the requests of this number go through.
fn client(number: usize) -> String {
    format!("refused{}", number % CLIENTS)
}

fn import(
    target: &Target,
    services: &Services,
    kinds: &[Kind],
    numbers: std::ops::Range<usize>,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut text = String::new();
    for line in numbers.flat_map(|number| kinds.iter().filter_map(move |kind| kind.line(number, &target.stored))) {
        writeln!(text, "{line}")?;
    }
    let file = services.home.join("refused.jsonl");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    let mut import = services.auth(&["user", "import", "--allow-no-password"]);
    import.arg(&file);
    once::must(&import, None, "", interrupt).map(drop)
}

impl Told {
    fn of(kind: Kind, times: &[Duration], wrong: &[Duration]) -> Self {
        let milliseconds = |times: &[Duration]| times.iter().map(|time| time.as_secs_f64() * 1e3).collect::<Vec<_>>();
        let (times, wrong) = (milliseconds(times), milliseconds(wrong));
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        Self {
            kind,
            samples: times.len(),
            median_ms: rounded(median(&times)),
            wrong_ms: rounded(median(&wrong)),
            accuracy: rounded(accuracy(&times, &wrong)),
            p: rounded(mann_whitney(&times, &wrong)),
        }
    }
}

/// A line for each kind.
pub fn text(told: &[Told]) -> String {
    let mut text = String::from("What the time of a refused login tells (0.50 is chance):\n");
    for Told { kind, samples, median_ms, wrong_ms, accuracy, p } in told {
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<30} {median_ms:>7.2} ms beside {wrong_ms:>7.2} ms, told apart {accuracy:.2}, p {p:.3}, {samples} each",
            kind.what()
        );
    }
    text
}
