//! The serving loop: HTTP/1.1 with a limit on the time for reading a request's head (which `axum::serve` lacks), and a
//! drain at the end that finishes what was accepted.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// Limits of the serving loop.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// The most headers a request may have; more is answered 431.
    pub max_headers: usize,
    /// Bytes of a request's head that are read at most; more is answered 431.
    pub max_head_bytes: usize,
    /// How long requests under way may take after the signal to stop.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(5),
            max_headers: 100,
            max_head_bytes: 32 * 1024,
            drain: Duration::from_secs(20),
        }
    }
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
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve_connection(stream, peer, app.clone(), options, &graceful),
                Err(error) => pause_after(&error).await,
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    tracing::info!(drain.seconds = options.drain.as_secs(), "draining");
    if tokio::time::timeout(options.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end of the drain");
    }
}

fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    options: ServeOptions,
    graceful: &GracefulShutdown,
) {
    // A small answer must not wait for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "set_nodelay");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let app = app.clone();
        async move {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            Ok::<_, Infallible>(app.oneshot(request).await.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_headers(options.max_headers)
        .max_buf_size(options.max_head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

/// Out of file descriptors and the like pass when other connections end; a connection reset while queued is nothing.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
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
