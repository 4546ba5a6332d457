//! A stand-in for a connection pooler in transaction mode: each client has another session after every transaction.
//!
//! It keeps to what sqlx sends (Postgres manual, "Message Flow"): no COPY, no cancelling.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::proxy::{Server, Upstream};

const BROKEN: &str = "a test fixture is broken";
/// What a client sends that would like TLS.
const SSL_REQUEST: u32 = 80_877_103;

/// What becomes of prepared statements when the session changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statements {
    /// They are prepared there too, as PgBouncer 1.21 and later do with `max_prepared_statements`.
    Carried,
    /// They are left behind.
    Lost,
}

/// The pooler; it accepts nobody any more when it is dropped.
pub struct TransactionPooler {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl TransactionPooler {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn start(upstream: Upstream, statements: Statements) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect(BROKEN);
        let address = listener.local_addr().expect(BROKEN);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let upstream = upstream.clone();
                // It ends when either side does.
                std::thread::spawn(move || drop(serve(client, &upstream, statements)));
            }
        });
        Self { address, is_over }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TransactionPooler {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener up.
        drop(TcpStream::connect(self.address));
    }
}

/// A session, and the names of the statements that it has.
struct Session {
    server: Server,
    prepared: HashSet<Vec<u8>>,
}

fn serve(mut client: TcpStream, upstream: &Upstream, statements: Statements) -> io::Result<()> {
    client.set_nodelay(true)?;
    let startup = read_startup(&mut client)?;
    let mut here = Session::open(upstream, &startup, &mut client)?;
    let mut there = Session::open(upstream, &startup, &mut io::sink())?;
    let mut parses: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    loop {
        let (mut batch, mut missing) = (Vec::new(), Vec::new());
        loop {
            let message = Message::read(&mut client)?;
            if let Some(name) = message.parses() {
                here.prepared.insert(name.to_vec());
                parses.insert(name.to_vec(), message.bytes.clone());
            }
            if let Some(name) = message.needs()
                && statements == Statements::Carried
                && !here.prepared.contains(name)
                && let Some(parse) = parses.get(name)
            {
                here.prepared.insert(name.to_vec());
                missing.push(parse.clone());
            }
            batch.extend_from_slice(&message.bytes);
            match message.tag() {
                b'X' => return Ok(()),
                b'S' | b'Q' => break,
                _ => {}
            }
        }
        here.server.write_all(&[missing.concat(), batch].concat())?;
        if here.answer(missing.len(), &mut client)? == b'I' {
            std::mem::swap(&mut here, &mut there);
        }
    }
}

impl Session {
    /// A new session; `to` hears what the server says to it.
    fn open(upstream: &Upstream, startup: &[u8], to: &mut impl Write) -> io::Result<Self> {
        let mut session = Self { server: Server::connect(upstream)?, prepared: HashSet::new() };
        session.server.write_all(startup)?;
        session.answer(0, to)?;
        Ok(session)
    }

    /// Passes on what the server says until it is ready, but for so many statements that the client knows to be prepared.
    /// The state of the transaction.
    fn answer(&mut self, mut silent: usize, to: &mut impl Write) -> io::Result<u8> {
        loop {
            let message = Message::read(&mut self.server)?;
            if message.tag() == b'1' && silent > 0 {
                silent -= 1;
                continue;
            }
            to.write_all(&message.bytes)?;
            if message.tag() == b'Z' {
                return Ok(message.body().first().copied().unwrap_or(b'I'));
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Terminate; it may be gone already.
        drop(self.server.write_all(b"X\0\0\0\x04"));
    }
}

/// A message with its head.
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let [_, length @ ..] = head;
        let mut bytes = head.to_vec();
        let rest = u64::from(u32::from_be_bytes(length)).saturating_sub(4);
        from.take(rest).read_to_end(&mut bytes)?;
        Ok(Self { bytes })
    }

    fn tag(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    fn body(&self) -> &[u8] {
        self.bytes.get(5..).unwrap_or_default()
    }

    /// The name that a Parse gives.
    fn parses(&self) -> Option<&[u8]> {
        (self.tag() == b'P').then(|| text(self.body()))
    }

    /// The name that a Bind, or a Describe of a statement, takes for granted.
    fn needs(&self) -> Option<&[u8]> {
        match (self.tag(), self.body()) {
            (b'B', body) => body.get(text(body).len() + 1..).map(text),
            (b'D', [b'S', name @ ..]) => Some(text(name)),
            _ => None,
        }
    }
}

/// As far as the first zero.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn read_startup(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    loop {
        let mut head = [0; 8];
        client.read_exact(&mut head)?;
        let [a, b, c, d, code @ ..] = head;
        if u32::from_be_bytes(code) == SSL_REQUEST {
            client.write_all(b"N")?;
            continue;
        }
        let mut startup = head.to_vec();
        let rest = u64::from(u32::from_be_bytes([a, b, c, d])).saturating_sub(8);
        client.take(rest).read_to_end(&mut startup)?;
        return Ok(startup);
    }
}
