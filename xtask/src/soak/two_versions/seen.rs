//! What the load meets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::Value;

use super::super::client::{Ask, Client};
use super::super::figures::Figure;

/// How many faults are told in words.
const TOLD: usize = 10;
const PART: &str = "upgrade";

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body; null where that is no JSON.
    pub body: Value,
}

/// What may not be.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A status of 500 or more.
    ServerError,
    /// No whole answer on a connection that was taken.
    Reset,
    /// A good token that a movies-api or an introspection refuses.
    TokenRefused,
    /// A refresh token with two successors, or a code that was good twice or never.
    Forked,
    /// Any other answer than the right one.
    Wrong,
}

const FAULTS: [(Fault, &str); 5] = [
    (Fault::ServerError, "5xx"),
    (Fault::Reset, "resets"),
    (Fault::TokenRefused, "good tokens refused"),
    (Fault::Forked, "refresh tokens or codes used twice, or never"),
    (Fault::Wrong, "other wrong answers"),
];

/// What came of a request that was sent.
struct Heard {
    answer: Result<(StatusCode, Bytes)>,
    took: Duration,
}

/// Sends on a connection of its own.
///
/// # Errors
/// When there is no connection, or it ended before the request was sent: whoever asks may ask somebody else.
async fn send(to: SocketAddr, request: Ask) -> Result<Heard> {
    let mut client = Client::connect(Ipv4Addr::LOCALHOST, to).await?;
    let begun = Instant::now();
    let answer = client.ask(request).await;
    match answer {
        Err(error) if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_closed) => Err(error),
        answer => Ok(Heard { answer, took: begun.elapsed() }),
    }
}

/// Counts of a whole run.
#[derive(Default)]
pub struct Seen {
    /// Raised at the end.
    pub is_over: AtomicBool,
    answers: AtomicU64,
    slowest: AtomicU64,
    faults: [AtomicU64; FAULTS.len()],
    told: Mutex<Vec<String>>,
}

impl Seen {
    /// One request on a connection of its own; `None` where there is no answer, which is noted.
    pub async fn ask(&self, to: SocketAddr, request: Ask) -> Option<Answer> {
        let asked = format!("{} {}", request.method(), request.uri());
        match send(to, request).await {
            Ok(heard) => self.hear(&asked, heard),
            Err(error) => self.fault(Fault::Reset, &format!("{asked}: {error:#}")),
        }
    }

    /// The same of a replica by its own address: `None`, and no fault, where it has just closed its door.
    pub async fn ask_replica(&self, to: SocketAddr, request: Ask) -> Option<Answer> {
        let asked = format!("{} {}", request.method(), request.uri());
        match send(to, request).await {
            Ok(heard) => self.hear(&asked, heard),
            Err(_) => None,
        }
    }

    fn hear(&self, asked: &str, heard: Heard) -> Option<Answer> {
        match heard.answer {
            Ok((status, body)) => {
                self.answers.fetch_add(1, Ordering::Relaxed);
                let took = u64::try_from(heard.took.as_millis()).unwrap_or(u64::MAX);
                self.slowest.fetch_max(took, Ordering::Relaxed);
                if status.is_server_error() {
                    let body = String::from_utf8_lossy(&body);
                    return self.fault(Fault::ServerError, &format!("{asked}: {status} {body}"));
                }
                Some(Answer { status: status.as_u16(), body: serde_json::from_slice(&body).unwrap_or_default() })
            }
            Err(error) => self.fault(Fault::Reset, &format!("{asked}: {error:#}")),
        }
    }

    /// Notes a fault. Always `None`.
    pub fn fault<T>(&self, fault: Fault, text: &str) -> Option<T> {
        if let Some(count) = self.faults.get(fault as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD {
            told.push(format!("{fault:?}: {text}"));
        }
        None
    }

    /// Whether the answer has this status; another one is `fault`.
    pub fn expect(&self, what: &str, answer: &Answer, status: u16, fault: Fault) -> bool {
        let is_right = answer.status == status;
        if !is_right {
            self.fault::<()>(fault, &format!("{what}: {} {}", answer.status, answer.body));
        }
        is_right
    }

    /// The first faults, in words.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counts.
    #[expect(clippy::cast_precision_loss, reason = "counts and times of a run")]
    pub fn figures(&self) -> Vec<Figure> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let faults = FAULTS.iter().zip(&self.faults).map(|((_, name), faults)| (name, count(faults)));
        let mut figures = vec![
            Figure::new(PART, "answers", count(&self.answers)).at_least(100.0),
            Figure::new(PART, "slowest answer, s", count(&self.slowest) / 1000.0),
        ];
        figures.extend(faults.map(|(name, count)| Figure::new(PART, name, count).at_most(0.0)));
        figures
    }
}
