//! Asks for logins that are refused, one after the other.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::runtime::Builder;

use super::{Kind, Target, client};
use crate::bench::cores::{Cores, Side};
use crate::interrupt::Interrupt;

/// The time of each refusal, by kind.
///
/// # Errors
/// When an answer is no refusal, or somebody interrupts.
pub fn ask_all(
    target: &Target,
    kinds: &[Kind],
    numbers: Range<usize>,
    cores: &Cores,
    interrupt: &Interrupt,
) -> Result<Vec<Vec<Duration>>> {
    let work = || {
        cores.enter(Side::Generator);
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
        let mut times = vec![Vec::with_capacity(numbers.len()); kinds.len()];
        for number in numbers {
            interrupt.check()?;
            // Each kind comes first as often as any other.
            for turn in 0..kinds.len() {
                let at = (turn + number) % kinds.len();
                let (Some(kind), Some(times)) = (kinds.get(at), times.get_mut(at)) else { continue };
                let body = body(*kind, number, target);
                let from = SocketAddr::from((address(number * kinds.len() + turn), 0));
                times.push(runtime.block_on(ask(target.address, from, body))?);
            }
        }
        Ok(times)
    };
    thread::scope(|scope| scope.spawn(work).join()).map_err(|_| anyhow!("the thread that asks panicked"))?
}

fn body(kind: Kind, number: usize, target: &Target) -> String {
    let escaped = kind.email(number).replace('@', "%40");
    let password = kind.password(&target.password).replace(' ', "+");
    format!("grant_type=password&client_id={}&username={escaped}&password={password}", client(number))
}

/// One of a network of its own, so that no limit on an address or its neighbours has a say.
fn address(number: usize) -> Ipv4Addr {
    let byte = |value: usize| u8::try_from(value % 250).unwrap_or_default() + 2;
    Ipv4Addr::new(127, byte(number / 250), byte(number), 1)
}

/// The time from the request to the whole answer, on a connection that is open already.
async fn ask(to: SocketAddr, from: SocketAddr, body: String) -> Result<Duration> {
    let socket = TcpSocket::new_v4()?;
    // Where the system has one loopback address only, it is that.
    let _ = socket.bind(from);
    let stream = socket.connect(to).await.with_context(|| format!("cannot reach {to}"))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::post("/token")
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::<Bytes>::from(body))?;
    sender.ready().await?;
    let begun = Instant::now();
    let answer = sender.send_request(request).await.context("a login is not answered")?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let took = begun.elapsed();
    drop(sender);
    driver.await??;
    let body = String::from_utf8_lossy(&body);
    ensure!(
        status == StatusCode::BAD_REQUEST && body.contains("invalid_grant"),
        "a login that should be refused is answered {status}: {body}"
    );
    Ok(took)
}
