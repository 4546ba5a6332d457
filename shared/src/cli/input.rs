//! The file that a command imports.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Opens `file`, where `-` is stdin, with a progress bar, which is drawn on a terminal only.
///
/// # Errors
/// When the file cannot be opened; the error names it.
pub fn open_input(file: &Path) -> io::Result<(Box<dyn Read>, ProgressBar)> {
    if file == Path::new("-") {
        let spinner = ProgressBar::new_spinner();
        spinner.enable_steady_tick(Duration::from_millis(100));
        return Ok((Box::new(stdin().lock()), spinner));
    }
    let opened = File::open(file)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot open {}: {error}", file.display())))?;
    let length = opened.metadata().map_or(0, |metadata| metadata.len());
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left {msg}")
        .map_err(io::Error::other)?;
    Ok((Box::new(opened), ProgressBar::new(length).with_style(style)))
}
