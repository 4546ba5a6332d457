//! Onlookers: requests at a steady pace, and how long each answer takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST};

use super::client::{Ask, Client};
use crate::bench::measured;

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
