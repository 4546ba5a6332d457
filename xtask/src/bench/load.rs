//! The load generator: a fixed number of keep-alive connections, each with one request under way at any time, all on
//! one thread.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::cores::{Cores, Side};
use super::cpu::{self, Process};
use super::measured::{self, Lengths, Measured, Window};
use super::script::{Ask, Script};
use crate::interrupt::Interrupt;

/// How much of a refusal is shown.
const SHOWN: usize = 300;

/// What is sent, and where.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server's address.
    pub address: SocketAddr,
    /// The server's process, if it is known.
    pub server: Option<Process>,
    /// How many connections there are.
    pub connections: usize,
    /// What they send.
    pub script: Script,
    /// What they take for an answer.
    pub accepts: Accepts,
}

/// Which answers are good.
pub type Accepts = fn(StatusCode) -> bool;

/// Answers that somebody wants to have.
type Kept = Arc<Mutex<Vec<Bytes>>>;

/// Sends `load` for one round, from a thread of its own on the generator's core.
///
/// # Errors
/// When an answer is not what the load takes for one, or somebody interrupts.
pub fn run(load: &Load, lengths: Lengths, cores: &Cores, interrupt: &Interrupt) -> Result<Measured> {
    run_keeping(load, None, lengths, cores, interrupt)
}

/// The same for the sake of the answers.
///
/// # Errors
/// As [`run`].
pub fn collect(load: &Load, lengths: Lengths, cores: &Cores, interrupt: &Interrupt) -> Result<Vec<Bytes>> {
    let kept = Kept::default();
    run_keeping(load, Some(&kept), lengths, cores, interrupt)?;
    Ok(std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn run_keeping(
    load: &Load,
    kept: Option<&Kept>,
    lengths: Lengths,
    cores: &Cores,
    interrupt: &Interrupt,
) -> Result<Measured> {
    let work = || {
        cores.enter(Side::Generator);
        runtime()?.block_on(drive(load, kept, Window::open(lengths), interrupt))
    };
    thread::scope(|scope| scope.spawn(work).join()).map_err(|_| anyhow!("the load generator panicked"))?
}

/// Sends one request and answers the body.
///
/// # Errors
/// When there is no answer, or it is not 200.
pub fn ask(address: SocketAddr, request: Ask) -> Result<Bytes> {
    runtime()?
        .block_on(async { exchange(&mut connect(address).await?, request, |status| status == StatusCode::OK).await })
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}

async fn drive(load: &Load, kept: Option<&Kept>, window: Window, interrupt: &Interrupt) -> Result<Measured> {
    let mut users = JoinSet::new();
    for number in 0..load.connections {
        users.spawn(user(load.clone(), number, kept.cloned(), window));
    }
    sleep_until(window.begin, interrupt).await?;
    let before = Spent::now(load);
    sleep_until(window.end, interrupt).await?;
    let after = Spent::now(load);
    let mut latencies = measured::histogram()?;
    while let Some(user) = users.join_next().await {
        latencies.add(user??).context("cannot add up latencies")?;
    }
    Ok(Measured {
        latencies,
        elapsed: window.end - window.begin,
        cpu: after.server.zip(before.server).map(|(after, before)| after.saturating_sub(before)),
        generator: Some(after.generator.saturating_sub(before.generator)),
    })
}

/// CPU time so far.
struct Spent {
    server: Option<Duration>,
    generator: Duration,
}

impl Spent {
    fn now(load: &Load) -> Self {
        Self { server: load.server.and_then(Process::cpu), generator: cpu::of_this_thread() }
    }
}

/// One connection's round.
async fn user(load: Load, number: usize, kept: Option<Kept>, window: Window) -> Result<Histogram<u64>> {
    let mut latencies = measured::histogram()?;
    let mut sender = connect(load.address).await?;
    let mut place = load.script.begin(number, load.connections);
    let mut now = Instant::now();
    while now < window.end {
        let request = place.next()?;
        let started = now;
        let answer = exchange(&mut sender, request, load.accepts).await?;
        now = measured::note(&mut latencies, window, started);
        if let Some(kept) = &kept {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(answer.clone());
        }
        place.answered(answer);
    }
    Ok(latencies)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
    stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when the sender is dropped; what went wrong on the way is the sender's to tell.
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, request: Ask, accepts: Accepts) -> Result<Bytes> {
    sender.ready().await.context("the server closed a connection")?;
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let answer = sender.send_request(request).await.with_context(|| format!("{method} {uri} is not answered"))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.with_context(|| format!("{method} {uri}: half an answer"))?;
    let body = body.to_bytes();
    if !accepts(status) {
        let body = body.get(..SHOWN).unwrap_or(&body);
        bail!("{method} {uri} is answered {status}: {}", String::from_utf8_lossy(body));
    }
    Ok(body)
}

async fn sleep_until(then: Instant, interrupt: &Interrupt) -> Result<()> {
    while Instant::now() < then {
        interrupt.check()?;
        tokio::time::sleep(Window::next_poll(then)).await;
    }
    interrupt.check()
}
