//! A client's socket with limits: of time, for each thing that a client may be slow at, and of what may be ambiguous.
//!
//! The clock of reading is one timer, set anew only when it is due sooner than it stands: a busy connection touches it once
//! in seconds.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::{Framing, Phase, Seen};
use super::load::Seat;
use super::{LINGER, ServeOptions, Verdict};

/// What ends the head whose request line is too long, so that it can be answered.
const REST_OF_HEAD: &[u8] = b" HTTP/1.1\r\nhost: x\r\n\r\n";
/// The same where nothing of it has passed.
const WHOLE_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// The socket.
pub(super) struct Guarded {
    stream: TcpStream,
    options: ServeOptions,
    framing: Framing,
    verdict: Arc<Verdict>,
    seat: Seat,
    /// When the client last did what `phase` says, for the first time.
    phase: Phase,
    since: Instant,
    /// Whether the last that happened was that we wrote: then no request waits for its answer.
    is_answered: bool,
    reading: Option<Pin<Box<Sleep>>>,
    stall: Option<Stall>,
    lingering: Option<Pin<Box<Sleep>>>,
}

/// A write that waits for the client.
struct Stall {
    sleep: Pin<Box<Sleep>>,
    written: usize,
}

impl Guarded {
    pub(super) fn new(stream: TcpStream, options: ServeOptions, verdict: Arc<Verdict>, seat: Seat) -> Self {
        Self {
            stream,
            options,
            framing: Framing::new(options.max_target_bytes, options.max_head_bytes),
            verdict,
            seat,
            // A client that connects has something to say.
            phase: Phase::Head,
            since: Instant::now(),
            is_answered: false,
            reading: None,
            stall: None,
            lingering: None,
        }
    }

    fn take(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let fresh = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        if fresh.is_empty() {
            return;
        }
        let seen = self.framing.read(fresh);
        let phase = self.framing.phase();
        if phase != self.phase || self.is_answered || phase == Phase::Between {
            (self.phase, self.since) = (phase, Instant::now());
        }
        self.is_answered = false;
        if let Seen::TargetTooLong { is_begun } = seen {
            // hyper gets the end of a head in place of what came.
            buffer.set_filled(before);
            let rest = if is_begun { REST_OF_HEAD } else { WHOLE_HEAD };
            if buffer.remaining() >= rest.len() {
                buffer.put_slice(rest);
                self.verdict.is_target_too_long.store(true, Ordering::Relaxed);
            }
        }
    }

    /// When the client's time is over; sooner to look at it again where it has much.
    fn due(&self) -> Instant {
        let limit = match self.phase {
            Phase::Head => self.options.header_timeout,
            Phase::Body => self.options.body_timeout,
            Phase::Between if self.is_answered && self.seat.is_scarce() => self.options.header_timeout,
            Phase::Between => self.options.idle_timeout,
        };
        self.since + limit
    }

    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let now = Instant::now();
            let due = self.due();
            if due <= now {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // Whether seats are scarce is looked at from time to time.
            let due = due.min(now + self.options.header_timeout);
            let sleep = self.reading.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if sleep.is_elapsed() || due < sleep.deadline() {
                sleep.as_mut().reset(due);
            }
            ready!(sleep.as_mut().poll(context));
        }
    }

    fn wrote(&mut self, written: usize, whole: usize) {
        self.is_answered = true;
        if self.phase == Phase::Between {
            self.since = Instant::now();
        }
        match &mut self.stall {
            Some(stall) if written < whole => stall.written = stall.written.saturating_add(written),
            Some(_) => self.stall = None,
            None => {}
        }
    }

    /// How long a client that takes nothing, or next to nothing, is borne.
    fn poll_stall(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let limit = self.options.stall_timeout;
        let stall = self
            .stall
            .get_or_insert_with(|| Stall { sleep: Box::pin(sleep_until(Instant::now() + limit)), written: 0 });
        while stall.sleep.as_mut().poll(context).is_ready() {
            if stall.written < self.options.stall_bytes {
                // What the system holds for it is thrown away as well.
                drop(self.stream.set_zero_linger());
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stall.written = 0;
            stall.sleep.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    }

    /// Reads and forgets: to close a socket with something unread resets it, and the client may lose the answer.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut rest = [0; 4096];
        let sleep = self.lingering.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINGER)));
        while sleep.as_mut().poll(context).is_pending() {
            let mut rest = ReadBuf::new(&mut rest);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut rest)) {
                Ok(()) if !rest.filled().is_empty() => {}
                // It has closed too, or is gone.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let guarded = self.get_mut();
        if guarded.verdict.is_target_too_long.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut guarded.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                guarded.take(buffer, before);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => guarded.poll_time(context),
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let guarded = self.get_mut();
        match Pin::new(&mut guarded.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(written)) => {
                guarded.wrote(written, bytes.len());
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => guarded.poll_stall(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guarded = self.get_mut();
        match Pin::new(&mut guarded.stream).poll_write_vectored(context, parts) {
            Poll::Ready(Ok(written)) => {
                guarded.wrote(written, parts.iter().map(|part| part.len()).sum());
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => guarded.poll_stall(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guarded = self.get_mut();
        if guarded.lingering.is_none() {
            ready!(Pin::new(&mut guarded.stream).poll_shutdown(context))?;
            if guarded.framing.phase() == Phase::Between {
                return Poll::Ready(Ok(()));
            }
        }
        guarded.poll_linger(context)
    }
}
