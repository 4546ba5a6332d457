//! The bounded queue between requests and the lane's threads, and the threads themselves.
//!
//! A task belongs to its caller until a thread claims it: whoever stops waiting takes the task back, and it is never
//! started. A thread that claimed it finishes it. Who is next, and who makes room in a full queue, `line` decides.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::line::{Key, Line, Pushed};
use super::memory::Memory;

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const ABANDONED: u8 = 2;
const EVICTED: u8 = 3;

/// What a thread does with its memory.
pub(super) type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// Who owns a task: still its caller, or already a thread.
#[derive(Default)]
struct Ticket(AtomicU8);

struct Task {
    ticket: Arc<Ticket>,
    work: Work,
}

/// The caller's end of a task; dropping it abandons the task if no thread has claimed it.
pub(super) struct Place(Arc<Ticket>);

/// Why a task was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// Waiting tasks, at most `capacity`.
pub(super) struct Queue {
    room: Mutex<Room>,
    changed: Condvar,
    running: AtomicUsize,
    peak: AtomicUsize,
    abandoned: AtomicUsize,
    begun: AtomicUsize,
}

struct Room {
    line: Line<Task>,
    is_closed: bool,
}

impl Ticket {
    fn take(&self, as_state: u8) -> bool {
        self.0.compare_exchange(WAITING, as_state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Acquire) == state
    }
}

impl Place {
    /// Takes the task back; false when a thread has it already.
    pub(super) fn abandon(&self) -> bool {
        self.0.take(ABANDONED)
    }

    /// Whether it made room for somebody else's.
    pub(super) fn was_evicted(&self) -> bool {
        self.0.is(EVICTED)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            room: Mutex::new(Room { line: Line::new(capacity), is_closed: false }),
            changed: Condvar::new(),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
        }
    }

    /// Puts `work` into the line of `key`.
    pub(super) fn push(&self, key: Key, work: Work) -> Result<Place, Refused> {
        let ticket = Arc::new(Ticket::default());
        let place = Place(Arc::clone(&ticket));
        let mut room = self.lock();
        if room.is_closed {
            return Err(Refused::Closed);
        }
        self.forget_abandoned(&mut room);
        let pushed = room.line.push(key, Task { ticket, work });
        drop(room);
        match pushed {
            Pushed::Refused => return Err(Refused::Full),
            // Dropping it tells its caller, who then looks at the ticket.
            Pushed::InPlaceOf(evicted) => drop(evicted.ticket.take(EVICTED)),
            Pushed::Waits => {}
        }
        self.changed.notify_one();
        Ok(place)
    }

    /// Those who hung up must not keep out those who still wait.
    fn forget_abandoned(&self, room: &mut Room) {
        if room.line.is_full() {
            let mut gone = 0;
            room.line.retain(|task| {
                let is_abandoned = task.ticket.is(ABANDONED);
                gone += usize::from(is_abandoned);
                !is_abandoned
            });
            self.abandoned.fetch_add(gone, Ordering::Relaxed);
        }
    }

    /// Lets the threads end after what they are doing; what waits is dropped.
    pub(super) fn close(&self) {
        let mut room = self.lock();
        room.is_closed = true;
        room.line.clear();
        drop(room);
        self.changed.notify_all();
    }

    /// The life of one thread: claims and runs tasks until the queue is closed. `after` tidies the memory up.
    pub(super) fn serve(&self, after: impl Fn(&mut Memory)) {
        let mut memory = Memory::new();
        while let Some(task) = self.claim_next() {
            self.begun.fetch_add(1, Ordering::AcqRel);
            let running = self.running.fetch_add(1, Ordering::AcqRel) + 1;
            self.peak.fetch_max(running, Ordering::AcqRel);
            let work = task.work;
            // A panic costs its caller the answer, not everybody this thread.
            if catch_unwind(AssertUnwindSafe(|| work(&mut memory))).is_err() {
                memory = Memory::new();
            }
            after(&mut memory);
            self.running.fetch_sub(1, Ordering::AcqRel);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().line.iter().filter(|task| !task.ticket.is(ABANDONED)).count()
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Acquire)
    }

    pub(super) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::Acquire)
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    fn claim_next(&self) -> Option<Task> {
        let mut room = self.lock();
        loop {
            if room.is_closed {
                return None;
            }
            let claimed = room.line.pop(|task| {
                let is_claimed = task.ticket.take(CLAIMED);
                self.abandoned.fetch_add(usize::from(!is_claimed), Ordering::Relaxed);
                is_claimed
            });
            if claimed.is_some() {
                return claimed;
            }
            room = self.changed.wait(room).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No code that can panic runs under this lock, so that a poisoned one is as good as a whole one.
    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
