//! The bounded queue between requests and the lane's threads, and the threads themselves.
//!
//! A task belongs to its caller until a thread claims it: whoever stops waiting takes the task back, and it is never
//! started. A thread that claimed it finishes it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::hash::Memory;

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const ABANDONED: u8 = 2;

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
    capacity: usize,
    line: Mutex<Line>,
    changed: Condvar,
    running: AtomicUsize,
    peak: AtomicUsize,
    abandoned: AtomicUsize,
    begun: AtomicUsize,
}

struct Line {
    tasks: VecDeque<Task>,
    is_closed: bool,
}

impl Ticket {
    fn take(&self, as_state: u8) -> bool {
        self.0.compare_exchange(WAITING, as_state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Acquire) == ABANDONED
    }
}

impl Place {
    /// Takes the task back; false when a thread has it already.
    pub(super) fn abandon(&self) -> bool {
        self.0.take(ABANDONED)
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
            capacity,
            line: Mutex::new(Line { tasks: VecDeque::new(), is_closed: false }),
            changed: Condvar::new(),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
        }
    }

    /// Puts `work` at the end of the line.
    pub(super) fn push(&self, work: Work) -> Result<Place, Refused> {
        let ticket = Arc::new(Ticket::default());
        let place = Place(Arc::clone(&ticket));
        let mut line = self.lock();
        if line.is_closed {
            return Err(Refused::Closed);
        }
        if line.tasks.len() >= self.capacity {
            // Those who hung up must not keep out those who still wait.
            let before = line.tasks.len();
            line.tasks.retain(|task| !task.ticket.is_abandoned());
            self.abandoned.fetch_add(before - line.tasks.len(), Ordering::Relaxed);
            if line.tasks.len() >= self.capacity {
                return Err(Refused::Full);
            }
        }
        line.tasks.push_back(Task { ticket, work });
        drop(line);
        self.changed.notify_one();
        Ok(place)
    }

    /// Lets the threads end after what they are doing; what waits is dropped.
    pub(super) fn close(&self) {
        let mut line = self.lock();
        line.is_closed = true;
        line.tasks.clear();
        drop(line);
        self.changed.notify_all();
    }

    /// The life of one thread: claims and runs tasks until the queue is closed. `after` tidies the memory up.
    pub(super) fn serve(&self, after: impl Fn(&mut Memory)) {
        let mut memory = Memory::new();
        while let Some(task) = self.next() {
            if !task.ticket.take(CLAIMED) {
                self.abandoned.fetch_add(1, Ordering::Relaxed);
                continue;
            }
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
        self.lock().tasks.iter().filter(|task| !task.ticket.is_abandoned()).count()
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

    fn next(&self) -> Option<Task> {
        let mut line = self.lock();
        loop {
            if line.is_closed {
                return None;
            }
            if let Some(task) = line.tasks.pop_front() {
                return Some(task);
            }
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No code that can panic runs under this lock, so that a poisoned one is as good as a whole one.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
