//! A proxy on loopback that cuts connections, or lets nothing pass: in front of Postgres, or of anything else over TCP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::connect_unspec;
use sqlx::postgres::PgConnectOptions;

const BROKEN: &str = "a test fixture is broken";

/// Where a proxy leads to.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// How sqlx ends a transaction: a simple query (Postgres manual, "Message Formats").
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// What happens to the next COMMIT that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCommit {
    /// The server gets it, and the client is reset before it hears the outcome.
    ResetBehind,
    /// The client is reset, and the server never gets it.
    ResetBefore,
}

/// The proxy; it ends when it is dropped, with all its connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Mutex<Upstream>,
    is_over: AtomicBool,
    clients: Mutex<Vec<TcpStream>>,
    at_commit: Mutex<Option<AtCommit>>,
    resets: AtomicUsize,
    /// Connections by their number: nothing passes on those below.
    stalled: Mutex<usize>,
    moved: Condvar,
    accepted: AtomicUsize,
}

impl Upstream {
    /// The Postgres whose socket is in the folder that the URL's `host` names.
    ///
    /// # Panics
    /// When it names none.
    #[must_use]
    pub fn of_url(url: &str) -> Self {
        Self::of(&url.parse().expect(BROKEN))
    }

    /// The Postgres that these options lead to.
    #[must_use]
    pub fn of(options: &PgConnectOptions) -> Self {
        match options.get_socket() {
            Some(folder) => Self::Unix(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => Self::Tcp(options.get_host().to_owned(), options.get_port()),
        }
    }
}

impl Proxy {
    /// Listens on a free port of loopback.
    #[must_use]
    pub fn start(upstream: Upstream) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect(BROKEN);
        let address = listener.local_addr().expect(BROKEN);
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            is_over: AtomicBool::new(false),
            clients: Mutex::default(),
            at_commit: Mutex::default(),
            resets: AtomicUsize::new(0),
            stalled: Mutex::new(0),
            moved: Condvar::new(),
            accepted: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection that there is, and tells how many there were.
    pub fn cut(&self) -> usize {
        let clients = std::mem::take(&mut *lock(&self.shared.clients));
        clients.iter().filter(|client| reset(client)).count()
    }

    /// Nothing passes any more, on connections old and new, and nobody is told: a black hole.
    pub fn stall(&self) {
        self.set_stalled(usize::MAX);
    }

    /// Nothing passes on the connections that there are; new ones are fine. So it is after a host lost its power.
    pub fn stall_present(&self) {
        self.set_stalled(self.shared.accepted.load(Ordering::SeqCst));
    }

    /// Everything passes again, and what was held back too.
    pub fn resume(&self) {
        self.set_stalled(0);
    }

    fn set_stalled(&self, below: usize) {
        *lock(&self.shared.stalled) = below;
        self.shared.moved.notify_all();
    }

    /// Leads new connections elsewhere, as a failover's address does; those that there are stay.
    pub fn lead_to(&self, upstream: Upstream) {
        *lock(&self.shared.upstream) = upstream;
    }

    /// Does this to the next COMMIT.
    pub fn at_next_commit(&self, fault: AtCommit) {
        *lock(&self.shared.at_commit) = Some(fault);
    }

    /// How many connections were reset at a COMMIT.
    #[must_use]
    pub fn resets(&self) -> usize {
        self.shared.resets.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.resume();
        // Wakes the listener up.
        drop(TcpStream::connect(self.address));
        self.cut();
    }
}

/// Either kind of connection to the server.
pub(super) enum Server {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Server {
    pub(super) fn connect(upstream: &Upstream) -> io::Result<Self> {
        match upstream {
            Upstream::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            Upstream::Unix(path) => UnixStream::connect(path).map(Self::Unix),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    fn close(&self) {
        // It may be closed already.
        drop(match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
        });
    }
}

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Server {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        // A server that is away, and a client that leaves, are what this is for.
        std::thread::spawn(move || drop(serve(client, number, &shared)));
    }
}

fn serve(mut client: TcpStream, number: usize, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let upstream = lock(&shared.upstream).clone();
    let server = match Server::connect(&upstream) {
        Ok(server) => server,
        Err(error) => {
            reset(&client);
            return Err(error);
        }
    };
    lock(&shared.clients).push(client.try_clone()?);
    let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let behind = Arc::clone(shared);
    std::thread::spawn(move || {
        drop(answer(&mut answers, &mut to_client, number, &behind));
        drop(to_client.shutdown(std::net::Shutdown::Both));
    });
    let mut requests = server.try_clone()?;
    let passed = pass(&mut client, &mut requests, number, shared);
    server.close();
    passed
}

/// Waits while nothing passes on this connection.
fn hold(number: usize, shared: &Shared) {
    let stalled = lock(&shared.stalled);
    drop(shared.moved.wait_while(stalled, |below| number < *below));
}

fn answer(server: &mut Server, client: &mut TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = server.read(&mut buffer)?;
        hold(number, shared);
        let Some(message) = buffer.get(..length).filter(|message| !message.is_empty()) else { return Ok(()) };
        client.write_all(message)?;
    }
}

fn pass(client: &mut TcpStream, server: &mut Server, number: usize, shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = client.read(&mut buffer)?;
        hold(number, shared);
        let Some(message) = buffer.get(..length).filter(|message| !message.is_empty()) else { return Ok(()) };
        let commit = message.windows(COMMIT.len()).position(|part| part == COMMIT);
        let fault = commit.and_then(|at| Some((at, lock(&shared.at_commit).take()?)));
        let Some((at, fault)) = fault else {
            server.write_all(message)?;
            continue;
        };
        shared.resets.fetch_add(1, Ordering::SeqCst);
        // The client first, so that it hears nothing however quick the server is.
        reset(client);
        let passes = match fault {
            AtCommit::ResetBehind => message.len(),
            AtCommit::ResetBefore => at,
        };
        server.write_all(message.get(..passes).unwrap_or_default())?;
        // A server that is at it when the connection closes; it reads what is there in any case.
        std::thread::sleep(Duration::from_millis(1));
        return Ok(());
    }
}

/// Ends a connection by a reset, which is no orderly end, whoever else has a handle of it; false where it had ended before.
fn reset(client: &TcpStream) -> bool {
    let is_there = client.peer_addr().is_ok();
    // To disconnect is to reset (tcp(7)). Where a system knows that not, an orderly end has to do.
    if connect_unspec(client).is_err() {
        drop(client.shutdown(std::net::Shutdown::Both));
    }
    is_there
}

/// Nothing panics while it holds a lock.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
