//! What the two services hold of memory: idle, with many idle connections, and under load. Each is measured on a process
//! of its own, because what an allocator once had it mostly keeps.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::cpu::Process;
use super::figures::rounded;

/// Idle connections that are tried.
const CONNECTIONS: usize = 10_000;
/// How many are being opened at the same time: fewer than wait for a listener at most.
const AT_ONCE: usize = 64;
/// For an answer to a connection's one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// That request.
const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A service's memory, in MiB.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Which service.
    pub service: &'static str,
    /// After its start.
    pub idle_mib: f64,
    /// How many idle connections there were, each of which had been answered once.
    pub connections: usize,
    /// With these.
    pub connected_mib: f64,
    /// The most that it had under load.
    pub loaded_mib: f64,
    /// Which load.
    pub load: &'static str,
}

/// What a process holds now.
///
/// # Errors
/// Where the system does not tell.
pub fn now(process: Option<Process>) -> Result<f64> {
    read(process, "VmRSS")
}

/// The most that it ever held.
///
/// # Errors
/// Where the system does not tell.
pub fn most(process: Option<Process>) -> Result<f64> {
    read(process, "VmHWM")
}

fn read(process: Option<Process>, line: &str) -> Result<f64> {
    let found = process.and_then(|process| process.memory_mib(line));
    Ok(rounded(found.context("this system does not tell what memory a process has")?, 10.0))
}

/// Opens idle connections, has each answered once, and tells how many there are and what the process holds then.
///
/// # Errors
/// When not one can be opened, or the system tells no memory.
pub fn with_connections(address: SocketAddr, process: Option<Process>) -> Result<(usize, f64)> {
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    let open = runtime.block_on(open(address));
    anyhow::ensure!(!open.is_empty(), "{address} takes no connection");
    let held = now(process)?;
    Ok((open.len(), held))
}

async fn open(address: SocketAddr) -> Vec<TcpStream> {
    let (mut opening, mut open) = (JoinSet::new(), Vec::with_capacity(CONNECTIONS));
    for _ in 0..CONNECTIONS {
        if opening.len() >= AT_ONCE {
            open.extend(opening.join_next().await.and_then(Result::ok).flatten());
        }
        opening.spawn(async move { timeout(PATIENCE, connect(address)).await.ok()?.ok() });
    }
    while let Some(one) = opening.join_next().await {
        open.extend(one.ok().flatten());
    }
    open
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(ASK).await?;
    let mut answer = [0_u8; 1024];
    anyhow::ensure!(stream.read(&mut answer).await? > 0, "closed");
    Ok(stream)
}

/// A line for each service.
pub fn text(all: &[Memory]) -> String {
    let mut text = String::from("Memory in MiB, each of a process of its own:\n");
    for Memory { service, idle_mib, connections, connected_mib, loaded_mib, load } in all {
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  {service:<12} idle {idle_mib:.1}, with {connections} idle connections {connected_mib:.1}, at most \
             {loaded_mib:.1} under load ({load})"
        );
    }
    text
}
