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
use tokio::task::JoinHandle;

use crate::up::provision::CLIENT;

/// A request that can be sent again and again.
pub type Ask = Request<Full<Bytes>>;

/// One keep-alive connection.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

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
        // Ends some time after the sender is dropped, or its answer shows what went wrong.
        Ok(Self { sender, connection: tokio::spawn(connection) })
    }

    /// Sends, and reads the answer whole.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn ask(&mut self, request: Ask) -> Result<(StatusCode, Bytes)> {
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Closes the connection, whatever was asked on it. A client that is only dropped stays connected until the runtime
    /// has a turn for it: for ever, where nobody drives the runtime any more.
    pub async fn hang_up(self) {
        self.connection.abort();
        // That it was aborted is what was asked for.
        drop(self.connection.await);
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn f12_who_has_hung_up_is_gone_though_nobody_drives_the_runtime() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::connect(Ipv4Addr::LOCALHOST, address).await.unwrap();
            let asked = client.ask(login("gone@example.com", "wrong").unwrap());
            assert!(timeout(Duration::from_millis(50), asked).await.is_err(), "nobody answers");
            client.hang_up().await;
        });
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert!(heard.contains("gone%40example.com"), "{heard}");
        drop(runtime);
    }
}
