//! The serving loop over real sockets, with short limits: slow clients (F14), floods (F15), sizes (F16), framing (F17) and
//! the drain (F11).

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use shared::http::serve::{self, ServeOptions};
use shared::testing::raw::{self, beside};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &str = "POST /read HTTP/1.1\r\nHost: x\r\n";
/// A sanity bound: what is waited for here takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits that a test can wait for, far enough from each other to be told apart.
fn short() -> ServeOptions {
    ServeOptions {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_millis(300),
        ..ServeOptions::default()
    }
}

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(options: ServeOptions) -> Self {
        let app = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route(
                "/read",
                post(|body: Result<Bytes, axum::extract::rejection::BytesRejection>| async { body.map(|_| ()) }),
            )
            .route("/slow", get(slow))
            .route("/page", get(page))
            .route("/endless", get(|| async { Body::from(vec![b'y'; 64 << 20]) }))
            .layer(axum::extract::DefaultBodyLimit::max(64 << 10));
        let listener = serve::bind("127.0.0.1:0".parse().unwrap(), "BIND").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = serve::serve(listener, app, options, async move { drop(stopped.await) });
        Self { address, stop, task: tokio::spawn(serving) }
    }
}

/// An answer for which the client waits longer than for anything else here.
async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(1)).await;
    "slow"
}

/// Of one test alone.
static PAGES: AtomicUsize = AtomicUsize::new(0);

async fn page() -> Vec<u8> {
    PAGES.fetch_add(1, Ordering::Relaxed);
    vec![b'y'; 100 << 10]
}

struct Client(TcpStream);

impl Client {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn send(&mut self, bytes: &str) -> &mut Self {
        self.0.write_all(bytes.as_bytes()).unwrap();
        self
    }

    /// What comes until there is this in it.
    fn read_to(&mut self, end: &str) -> String {
        let mut said = Vec::new();
        while !said.ends_with(end.as_bytes()) {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
            said.extend(byte);
        }
        String::from_utf8(said).unwrap()
    }

    /// What comes until the server closes, and when that was.
    #[track_caller]
    fn read_all(&mut self) -> (String, Duration) {
        let (mut said, began) = (Vec::new(), Instant::now());
        match self.0.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it stays open"),
        }
        (String::from_utf8_lossy(&said).into_owned(), began.elapsed())
    }

    /// Not one byte is read, until the server has given up on it.
    #[track_caller]
    fn wait_for_the_reset(&mut self) {
        let began = Instant::now();
        while self.0.take_error().unwrap().is_none() && self.0.write(b"x").is_ok() {
            assert!(began.elapsed() < PATIENCE, "it waits for ever");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let is_open = self.0.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).unwrap();
        is_open
    }
}

#[tokio::test]
async fn f14_whoever_is_slow_with_a_head_or_a_body_is_cut_off() {
    let server = Server::start(short()).await;
    let address = server.address;
    beside(move || {
        let body = format!("{POST}Content-Length: 5\r\n\r\nab");
        let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n5\r\nab");
        for (sent, status) in [("", ""), ("\r\n", ""), ("GET /healthz HT", ""), (&body, "400"), (&chunked, "400")] {
            let (said, after) = Client::open(address).send(sent).read_all();
            assert_eq!(said.get(9..12).unwrap_or_default(), status, "{sent}: {said}");
            assert!(after < PATIENCE / 4, "{sent}: {after:?}");
        }
        // A byte now and then does not help.
        let (mut dripping, began) = (Client::open(address), Instant::now());
        dripping.send(&format!("{POST}Content-Length: 50000\r\n\r\n"));
        while dripping.is_open() {
            assert!(began.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(20));
            drop(dripping.0.write(b"y"));
        }
        // Between two requests there is time: more than others get for a head.
        let mut idle = Client::open(address);
        idle.send(GET).read_to("ok");
        Client::open(address).read_all();
        Client::open(address).read_all();
        idle.send(GET).read_to("ok");
        // And for an answer that takes long.
        idle.send(&GET.replace("healthz", "slow")).read_to("slow");
    })
    .await;
}

#[tokio::test]
async fn f14_whoever_does_not_take_its_answer_is_cut_off() {
    let server = Server::start(short()).await;
    let address = server.address;
    let taken = beside(move || {
        let mut reader = Client::open(address);
        reader.send(&GET.replace("healthz", "endless"));
        reader.wait_for_the_reset();
        // One who reads gets all of it.
        let (said, _) = Client::open(address)
            .send(&GET.replace("healthz", "endless").replace("Host", "Connection: close\r\nHost"))
            .read_all();
        said.len()
    })
    .await;
    assert!(taken > 64 << 20, "{taken}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f14_for_whoever_reads_nothing_few_answers_are_made() {
    let server = Server::start(short()).await;
    let address = server.address;
    beside(move || {
        let mut reader = Client::open(address);
        reader.send(&GET.replace("healthz", "page").repeat(40));
        reader.wait_for_the_reset();
    })
    .await;
    // What both systems hold, which would be all forty of them.
    let pages = PAGES.load(Ordering::Relaxed);
    assert!((1..10).contains(&pages), "{pages} pages of 100 KiB");
}

#[tokio::test]
async fn f15_connections_beyond_the_seats_are_turned_away_and_idle_ones_make_room() {
    let options = ServeOptions { max_connections: 4, ..short() };
    let server = Server::start(options).await;
    let address = server.address;
    beside(move || {
        let closing = GET.replace("Host", "Connection: close\r\nHost");
        let mut seated: Vec<_> = (0..4).map(|_| Client::open(address)).collect();
        for client in &mut seated {
            client.send(GET).read_to("ok");
        }
        let (said, _) = Client::open(address).send(GET).read_all();
        assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after: 1\r\n"), "{said}");
        // They idle while seats are scarce: one has to go after the time for a head, though it might stay for a minute.
        let began = Instant::now();
        while !Client::open(address).send(&closing).read_all().0.starts_with("HTTP/1.1 200 ") {
            assert!(began.elapsed() < PATIENCE, "no seat becomes free");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(seated.iter_mut().any(|client| !client.is_open()));
        assert!(seated.iter_mut().any(Client::is_open), "nobody has to go without need");
    })
    .await;
}

#[tokio::test]
async fn f16_what_is_too_large_is_refused_and_closed() {
    let server = Server::start(ServeOptions::default()).await;
    let address = server.address;
    assert_eq!(beside(move || raw::oversized(address, POST)).await, [""; 0]);
}

#[tokio::test]
async fn f17_what_is_ambiguous_is_refused_and_closed() {
    let server = Server::start(ServeOptions::default()).await;
    let address = server.address;
    assert_eq!(beside(move || raw::faults(address, POST)).await, [""; 0]);
}

/// What is unusual and clear goes on as before.
#[rstest::rstest]
#[case::of_1_0("GET /healthz HTTP/1.0\r\n\r\n", &[200])]
#[case::two_at_once("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n", &[200, 200])]
#[case::empty_line("\r\nGET /healthz HTTP/1.1\r\nHost: x.y-z:80\r\nConnection: close\r\n\r\n", &[200])]
#[case::chunks("POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\na\nb\r\n0\r\nT: c\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n", &[200, 200])]
#[case::a_length("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n\n\nGET /healthz HTTP/1.0\r\n\r\n", &[200, 200])]
#[tokio::test]
async fn f17_what_is_clear_is_served(#[case] request: &'static str, #[case] expected: &[u16]) {
    let server = Server::start(ServeOptions::default()).await;
    let address = server.address;
    let seen = beside(move || raw::exchange(address, request.as_bytes(), PATIENCE)).await;
    assert_eq!((seen.statuses.as_slice(), seen.is_closed), (expected, true));
}

#[tokio::test]
async fn f11_what_was_accepted_is_answered_after_the_signal() {
    let server = Server::start(ServeOptions::default()).await;
    let address = server.address;
    let mut waiting = beside(move || {
        let mut idle = Client::open(address);
        idle.send(GET).read_to("ok");
        let mut slow = Client::open(address);
        slow.send(&GET.replace("healthz", "slow"));
        // Its request follows when the server stops already.
        let late = Client::open(address);
        (idle, slow, late)
    })
    .await;
    server.stop.send(()).unwrap();
    beside(move || {
        let began = Instant::now();
        let (idle, slow, late) = (&mut waiting.0, &mut waiting.1, &mut waiting.2);
        assert_eq!(idle.read_all().0, "", "it is closed, and not reset");
        drop(late.0.write(GET.as_bytes()));
        let (said, _) = slow.read_all();
        assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("slow"), "{said}");
        assert!(said.contains("connection: close"), "{said}");
        assert!(began.elapsed() < PATIENCE);
    })
    .await;
    tokio::time::timeout(PATIENCE, server.task).await.unwrap().unwrap();
}
