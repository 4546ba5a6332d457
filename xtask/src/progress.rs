//! What the person at the terminal sees: one spinner per step, then one line that stays. All on standard error, and
//! never an error of its own: a closed terminal must not keep the clean-up from running.

use std::io::{Write, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Prints a line on standard error.
pub fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

/// Prints text on standard output.
pub fn print(text: &str) {
    let mut out = stdout();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// A step that takes a moment.
pub struct Step {
    bar: ProgressBar,
    name: &'static str,
    started: Instant,
}

impl Step {
    /// Shows a spinner, where there is a terminal.
    pub fn start(name: &'static str, doing: &str) -> Self {
        let mut bar = ProgressBar::new_spinner().with_prefix(name).with_message(doing.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{prefix:>12} {spinner} {msg}") {
            bar = bar.with_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, name, started: Instant::now() }
    }

    /// Changes what the spinner says.
    pub fn now(&self, doing: &str) {
        self.bar.set_message(doing.to_owned());
    }

    /// Replaces the spinner by a line that stays.
    pub fn done(self, what: &str) {
        self.bar.finish_and_clear();
        say(&format!("{:>12} {what} ({:.1} s)", self.name, self.started.elapsed().as_secs_f32()));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
