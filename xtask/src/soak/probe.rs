//! Onlookers: requests at a steady pace, and how long each answer takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST};

use tokio::task::JoinSet;

use super::client::{Ask, Client};
use super::figures::Figure;
use crate::bench::measured;
use crate::up::addresses::Addresses;

/// Time between two requests of one onlooker.
const PACE: Duration = Duration::from_millis(20);

/// What an onlooker looks at.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The server.
    pub address: SocketAddr,
    /// The path.
    pub path: &'static str,
    /// A bearer token, where one is needed.
    pub token: Option<String>,
}

impl Probe {
    /// Asks until `end`; the time of each answer, in nanoseconds.
    ///
    /// # Errors
    /// When an answer is not 200, or none comes.
    pub async fn watch(self, end: Instant) -> Result<Histogram<u64>> {
        let mut times = measured::histogram()?;
        let mut client = Client::connect(Ipv4Addr::LOCALHOST, self.address).await?;
        while Instant::now() < end {
            let begun = Instant::now();
            let (status, body) = client.ask(self.request()?).await?;
            ensure!(status == 200, "{} is answered {status}: {}", self.path, String::from_utf8_lossy(&body));
            times.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
            tokio::time::sleep(PACE).await;
        }
        Ok(times)
    }

    fn request(&self) -> Result<Ask> {
        let mut request = Request::get(self.path).header(HOST, "localhost");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(request.body(Full::default())?)
    }
}

/// What was looked at, and how long each answer took.
pub type Watched = Result<(&'static str, Histogram<u64>)>;

/// Who looks on at both services until `end`.
pub fn onlookers(Addresses { auth, movies }: Addresses, token: String, end: Instant) -> JoinSet<Watched> {
    let probe = |address, path, token| Probe { address, path, token };
    let probes = [
        ("/healthz", probe(auth, "/healthz", None)),
        ("key set", probe(auth, "/.well-known/jwks.json", None)),
        ("movie with a token", probe(movies, "/movies/?movie_id=1", Some(token))),
    ];
    let mut watching = JoinSet::new();
    for (what, probe) in probes {
        watching.spawn(async move { Ok::<_, anyhow::Error>((what, probe.watch(end).await?)) });
    }
    watching
}

/// What onlookers notice of a flood that is none of logins.
#[expect(clippy::cast_precision_loss, reason = "times of less than a day, in nanoseconds")]
///
/// # Errors
/// As [`Probe::watch`].
pub async fn watch_quietly(part: &str, addresses: Addresses, token: String, end: Instant) -> Result<Vec<Figure>> {
    let mut watching = onlookers(addresses, token, end);
    let mut figures = Vec::new();
    while let Some(watched) = watching.join_next().await {
        let (what, times) = watched??;
        let p99 = times.value_at_quantile(0.99) as f64 / 1e6;
        figures.push(Figure::new(part, &format!("{what} p99, ms"), p99).at_most(200.0));
    }
    figures.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(figures)
}
