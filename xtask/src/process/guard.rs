//! The guard's own process: `xtask __guard`.

use std::fs;
use std::io::{Read, stdin};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::{Ids, tie};
use crate::cli::Guard;

/// The byte by which the parent asks to kill the child at once. Any other byte, and the end of the pipe, ask to stop it.
pub const KILL: u8 = b'k';

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

enum Event {
    Stop,
    Kill,
    Ended,
}

/// Runs the program until it ends or standard input does, then removes what was asked and answers the program's code.
///
/// # Errors
/// When the program cannot be started.
pub fn run(options: &Guard) -> Result<ExitCode> {
    let (program, args) = options.program.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(args);
    let ids = options.uid.zip(options.gid).map(|(uid, gid)| Ids { uid, gid });
    let mut command = tie::wrap(&command, options.signal, ids);
    // From this thread, which lives as long as the guard: the kernel's signal is about the thread.
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;

    let (events, inbox) = mpsc::channel();
    let pid = Pid::from_child(&child);
    let reader = events.clone();
    thread::spawn(move || read_orders(&reader));
    thread::spawn(move || {
        // Without reaping, so that the id stays the child's until the main thread is done sending signals to it.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = events.send(Event::Ended);
    });
    let status = watch(options, &mut child, &inbox).context("cannot wait for the program")?;
    for folder in &options.remove {
        let _ = fs::remove_dir_all(folder);
    }
    Ok(exit_code(status))
}

fn read_orders(events: &Sender<Event>) {
    let mut byte = [0_u8];
    let mut input = stdin().lock();
    while let Ok(1) = input.read(&mut byte) {
        let order = if byte == [KILL] { Event::Kill } else { Event::Stop };
        let _ = events.send(order);
    }
    let _ = events.send(Event::Stop);
}

fn watch(options: &Guard, child: &mut Child, inbox: &mpsc::Receiver<Event>) -> std::io::Result<ExitStatus> {
    let pid = Pid::from_child(child);
    let send = |signal| {
        // It may have ended a moment ago; there is nobody to tell.
        let _ = if options.group { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
    };
    let mut kill_at: Option<Instant> = None;
    loop {
        let wait = kill_at.map_or(FOR_EVER, |at| at.saturating_duration_since(Instant::now()));
        match inbox.recv_timeout(wait) {
            Ok(Event::Stop) if kill_at.is_none() => {
                send(options.signal.signal());
                kill_at = Some(Instant::now() + Duration::from_secs(options.grace));
            }
            Ok(Event::Stop) => {}
            Ok(Event::Kill) | Err(RecvTimeoutError::Timeout) => {
                send(Signal::KILL);
                return child.wait();
            }
            Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => {
                if options.group && kill_at.is_some() {
                    // What it left behind: a job in the background of a script ignores SIGINT. The group still has this id.
                    send(Signal::KILL);
                }
                return child.wait();
            }
        }
    }
}

/// As a shell would report it: 128 and the signal's number for a program that a signal ended.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
