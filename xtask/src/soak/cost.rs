//! What a piece of work on a database of this machine costs: how long it takes, and how much of the processor its commands
//! and their sessions take. Beside other work the second says more.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::Builder;

use crate::bench::cpu::{self, Process};
use crate::interrupt::Interrupt;

/// For sessions to end and to be counted by the server.
const AFTERGLOW: Duration = Duration::from_millis(500);

/// What it cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// By the clock.
    pub elapsed: Duration,
    /// Of the processor; `None` where the system does not tell, or the server runs elsewhere.
    pub cpu: Option<Duration>,
}

/// Does `work`, whose sessions end with it.
///
/// # Errors
/// Those of `work`, and when the database cannot be asked.
pub fn of(options: &PgConnectOptions, interrupt: &Interrupt, work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let server = server(options)?;
    let spent = || Some(server?.children_cpu()? + Process::this().children_cpu()? + cpu::of_this_process());
    let (before, begun) = (spent(), Instant::now());
    work()?;
    let elapsed = begun.elapsed();
    while begun.elapsed() < elapsed + AFTERGLOW {
        interrupt.pause()?;
    }
    Ok(Cost { elapsed, cpu: before.zip(spent()).map(|(before, after)| after.saturating_sub(before)) })
}

/// The parent of all sessions.
fn server(options: &PgConnectOptions) -> Result<Option<Process>> {
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect_with(options).await?;
        let session: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        let server = Process::parent_of(session.unsigned_abs());
        connection.close().await?;
        Ok(server)
    })
}
