//! A short command, run to its end with its output caught.

use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};

use super::{Ids, StopSignal, tie};
use crate::interrupt::Interrupt;

/// How a short command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

/// Runs `command` as `ids` with `input` on its standard input.
///
/// # Errors
/// When it cannot be started, or somebody interrupts (it is then killed). An exit code other than 0 is not an error.
pub fn run(command: &Command, ids: Option<Ids>, input: &str, interrupt: &Interrupt) -> Result<Finished> {
    let shown = command.get_program().display().to_string();
    interrupt.check()?;
    let mut child = tie::wrap(command, StopSignal::Term, ids)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {shown}"))?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why on standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for {shown}"))? {
            break status;
        }
        if let Err(interrupted) = interrupt.pause() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted);
        }
    };
    interrupt.check()?;
    let text = |reader: Option<JoinHandle<String>>| reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    Ok(Finished { status, stdout: text(stdout), stderr: text(stderr) })
}

/// [`run`] for a command that has to succeed; answers its standard output.
///
/// # Errors
/// As [`run`], and when the exit code is not 0: then with what the command said.
pub fn must(command: &Command, ids: Option<Ids>, input: &str, interrupt: &Interrupt) -> Result<String> {
    let finished = run(command, ids, input, interrupt)?;
    if !finished.status.success() {
        let said = if finished.stderr.trim().is_empty() { &finished.stdout } else { &finished.stderr };
        bail!("`{}` failed ({}):\n{}", line(command), finished.status, said.trim_end());
    }
    Ok(finished.stdout)
}

/// The command as a person would type it, by the program's name alone.
pub fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args()).map(|word| word.to_string_lossy());
    words
        .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { word.into_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/opt/bin/auth-server");
        command.args(["client", "create", "demo", "--name", "The Demo"]);
        assert_eq!(line(&command), "auth-server client create demo --name \"The Demo\"");
    }
}
