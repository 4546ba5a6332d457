//! A key endpoint on loopback that counts its requests and answers as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

const BROKEN: &str = "a test fixture is broken";

/// What the endpoint does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// 200 with these bytes.
    Body(Vec<u8>),
    /// 200 with these bytes and this `Cache-Control`.
    Cached(Vec<u8>, &'static str),
    /// That status, without content.
    Status(u16),
    /// 302 to that place.
    Redirect(String),
    /// 200 and that many bytes of white space, of which the length header says nothing.
    Endless(usize),
    /// One byte of white space every twenty milliseconds, for ever.
    Drip,
    /// Nothing, on a connection that stays open.
    Silence,
}

/// The endpoint; it ends when it is dropped.
pub struct KeyServer {
    url: Url,
    hits: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
    task: JoinHandle<()>,
}

impl KeyServer {
    /// Listens on a free port of loopback.
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect(BROKEN);
        let url = format!("http://{}/jwks.json", listener.local_addr().expect(BROKEN));
        let hits = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(Mutex::new(answer));
        let task = tokio::spawn(accept(listener, Arc::clone(&hits), Arc::clone(&answer)));
        Self { url: Url::parse(&url).expect(BROKEN), hits, answer, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// How many connections came.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// Answers otherwise from now on.
    pub fn set_answer(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, hits: Arc<AtomicUsize>, answer: Arc<Mutex<Answer>>) {
    while let Ok((stream, _)) = listener.accept().await {
        hits.fetch_add(1, Ordering::SeqCst);
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A client that hangs up in the middle is one of the cases.
        tokio::spawn(async move { drop(respond(stream, answer).await) });
    }
}

async fn respond(mut stream: TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    match answer {
        Answer::Body(body) => send(&mut stream, "200 OK", "", &body).await,
        Answer::Cached(body, cache) => send(&mut stream, "200 OK", &format!("cache-control: {cache}\r\n"), &body).await,
        Answer::Status(code) => send(&mut stream, &format!("{code} Status"), "", b"").await,
        Answer::Redirect(place) => send(&mut stream, "302 Found", &format!("location: {place}\r\n"), b"").await,
        Answer::Endless(bytes) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
            let chunk = [b' '; 64 * 1024];
            for _ in 0..bytes.div_ceil(chunk.len()) {
                stream.write_all(&chunk).await?;
            }
            Ok(())
        }
        Answer::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Answer::Silence => std::future::pending().await,
    }
}

async fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}
