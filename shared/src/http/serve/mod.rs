//! The serving loop: HTTP/1.1 with limits on everything that a client may be slow at or send too much of (which
//! `axum::serve` lacks), and a drain at the end that finishes what was accepted.
//!
//! 1. `load`: is there a seat for one more connection? Else 503, and those that idle have to go sooner.
//! 2. `stream`: the clocks of heads, bodies, idling and slow readers.
//! 3. `framing`: what is ambiguous about where a request ends is refused with 400.
//! 4. One `Host` (RFC 9112 section 3.2), then the router.

mod framing;
mod load;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use self::load::{Load, Seat};
use self::stream::Guarded;

/// How long what a client still sends is read, after it was refused.
const LINGER: Duration = Duration::from_secs(2);

/// How long the listener stays open for connections that the system has accepted before the signal to stop.
const ADMISSION: Duration = Duration::from_millis(100);
/// So long without a new one, there are no more of them.
const QUIET: Duration = Duration::from_millis(10);

/// Bytes of answers that the system holds for a client beyond those that are on their way.
#[cfg(target_os = "linux")]
const MAX_UNSENT: u32 = 128 * 1024;

/// Connections at most, unless the settings say otherwise.
pub const MAX_CONNECTIONS: usize = 16_384;

/// Limits of the serving loop.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// How long a client may take to send a request's head, from its first byte or from the connection's begin.
    pub header_timeout: Duration,
    /// How long a client may take to send a request's body: less than the deadline of a request.
    pub body_timeout: Duration,
    /// How long a connection may idle between two requests; [`ServeOptions::header_timeout`] where seats are scarce.
    pub idle_timeout: Duration,
    /// How long a client may take next to nothing of an answer.
    pub stall_timeout: Duration,
    /// What it has to take in that time, in bytes.
    pub stall_bytes: usize,
    /// The most headers a request may have; more is answered 431.
    pub max_headers: usize,
    /// Bytes of a request's head that are read at most; more is answered 431.
    pub max_head_bytes: usize,
    /// Bytes of a request's first line at most; more is answered 414.
    pub max_target_bytes: usize,
    /// Connections at most, as far as the system's limit of open files allows; more are answered 503 and closed.
    pub max_connections: usize,
    /// How long requests under way may take after the signal to stop.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(8),
            // Longer than the minute for which balancers keep theirs: of the two they should be the first to close.
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(20),
            stall_bytes: 16 * 1024,
            max_headers: 100,
            max_head_bytes: 32 * 1024,
            max_target_bytes: 16 * 1024,
            max_connections: MAX_CONNECTIONS,
            drain: Duration::from_secs(20),
        }
    }
}

/// What the socket has to say about the request that the router would get.
#[derive(Default)]
struct Verdict {
    is_target_too_long: AtomicBool,
}

/// Binds `address`; the error names it and says what to do.
///
/// # Errors
/// An [`io::Error`] of the same kind as the system's.
pub async fn bind(address: SocketAddr, variable: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there",
            io::ErrorKind::PermissionDenied => "this user may not use that port",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
            _ => "it cannot be used",
        };
        io::Error::new(error.kind(), format!("cannot listen on {address}: {hint}; set {variable} ({error})"))
    })
}

/// Serves `app` until `stop` resolves, then closes the listener and waits for requests under way, at most
/// [`ServeOptions::drain`].
pub async fn serve(listener: TcpListener, app: Router, options: ServeOptions, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let load = Load::new(options.max_connections);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    load.starve(false);
                    admit(stream, peer, &app, options, (&load, &graceful));
                }
                Err(error) => pause_after(&error, &load).await,
            },
            () = &mut stop => break,
        }
    }
    admit_waiting(listener, &app, options, (&load, &graceful)).await;
    tracing::info!(drain.seconds = options.drain.as_secs(), "draining");
    if tokio::time::timeout(options.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end of the drain");
    }
}

/// Closes the listener, but for the connections that the system has accepted already: they would be reset.
async fn admit_waiting(
    listener: TcpListener,
    app: &Router,
    options: ServeOptions,
    house: (&Arc<Load>, &GracefulShutdown),
) {
    let ends = Instant::now() + ADMISSION;
    for _ in 0..options.max_connections {
        // Whoever comes all the time must not keep the listener open: at the end only those that are there already.
        let wait = QUIET.min(ends.saturating_duration_since(Instant::now()));
        let Ok(Ok((stream, peer))) = tokio::time::timeout(wait, listener.accept()).await else { break };
        admit(stream, peer, app, options, house);
    }
    drop(listener);
    // For the last of them to be read from: a connection of which nothing was read is closed at once.
    tokio::time::sleep(QUIET).await;
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    app: &Router,
    options: ServeOptions,
    (load, graceful): (&Arc<Load>, &GracefulShutdown),
) {
    // A small answer must not wait for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "set_nodelay");
    }
    bound_unsent(&stream);
    match load.seat() {
        Some(seat) => serve_connection((stream, peer), seat, app.clone(), options, graceful),
        None => load::turn_away(stream),
    }
}

/// Without it the system takes megabytes for a client that reads nothing: that many pages are made for nobody, and nothing
/// stalls. What is on its way is not counted, so a fast client is served as fast.
#[cfg(target_os = "linux")]
fn bound_unsent(stream: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(MAX_UNSENT) {
        tracing::debug!(%error, "set_tcp_notsent_lowat");
    }
}

#[cfg(not(target_os = "linux"))]
const fn bound_unsent(_: &TcpStream) {}

fn serve_connection(
    (stream, peer): (TcpStream, SocketAddr),
    seat: Seat,
    app: Router,
    options: ServeOptions,
    graceful: &GracefulShutdown,
) {
    let verdict = Arc::<Verdict>::default();
    let guarded = Guarded::new(stream, options, Arc::clone(&verdict), seat);
    let service = service_fn(move |request: Request<Incoming>| {
        let refusal = refusal(&request, &verdict);
        let app = app.clone();
        async move {
            if let Some(status) = refusal {
                return Ok(refused(status));
            }
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let mut response = app.oneshot(request).await.unwrap_or_else(|never| match never {});
            if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
                close(&mut response);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .max_headers(options.max_headers)
        .max_buf_size(options.max_head_bytes)
        .serve_connection(TokioIo::new(guarded), service);
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

/// Why a request does not get to the router.
fn refusal(request: &Request<Incoming>, verdict: &Verdict) -> Option<StatusCode> {
    if verdict.is_target_too_long.load(Ordering::Relaxed) {
        return Some(StatusCode::URI_TOO_LONG);
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_clear = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, None) => request.version() == Version::HTTP_10,
        _ => false,
    };
    (!is_clear).then_some(StatusCode::BAD_REQUEST)
}

/// A name or address, and a port (RFC 9110 section 7.2): nothing that others read as a path, a user or a list.
fn is_host(host: &[u8]) -> bool {
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
    !host.is_empty() && host.iter().all(is_fine)
}

/// As hyper answers what it cannot read: nothing but the status, and the connection ends.
fn refused(status: StatusCode) -> Response<Body> {
    tracing::debug!(http.status = status.as_u16(), "refused a request that others may read otherwise");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    close(&mut response);
    response
}

fn close(response: &mut Response<Body>) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Out of file descriptors and the like pass when other connections end; a connection reset while queued is nothing.
async fn pause_after(error: &io::Error, load: &Load) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    load.starve(true);
    tracing::warn!(%error, "cannot accept connections");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Resolves at the first SIGTERM or SIGINT; a second one ends the process at once.
///
/// # Errors
/// When the signals cannot be watched.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        let _ = sender.send(());
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        tracing::warn!("stopped by a second signal");
        crate::telemetry::flush();
        std::process::exit(1);
    });
    Ok(async move {
        let _ = receiver.await;
    })
}
