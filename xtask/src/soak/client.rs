//! A client with an address of its own: every address of 127.0.0.0/8 is this machine's.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

use crate::up::provision::CLIENT;

/// A request that can be sent again and again.
pub type Ask = Request<Full<Bytes>>;

/// One keep-alive connection.
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    /// Connects from this address.
    ///
    /// # Errors
    /// When the system or the server refuses.
    pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into()).with_context(|| format!("cannot use the address {from}"))?;
        let stream = socket.connect(to).await.with_context(|| format!("cannot reach {to}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the sender is dropped, or its answer shows what went wrong.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends, and reads the answer whole.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn ask(&mut self, request: Ask) -> Result<(StatusCode, Bytes)> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}

/// A password request of the demo client.
///
/// # Errors
/// Never: its parts are fixed.
pub fn login(user: &str, password: &str) -> Result<Ask> {
    let user = user.replace('@', "%40");
    let body = format!("grant_type=password&client_id={CLIENT}&username={user}&password={password}");
    let request = Request::post("/token").header(HOST, "localhost");
    Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Full::from(body))?)
}
