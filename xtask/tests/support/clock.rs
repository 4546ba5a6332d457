//! Another time for a process, by libfaketime.

use std::fs;
use std::path::{Path, PathBuf};

/// The settings of a process whose clock differs. Its timers go on as they are: they follow the monotonic clock.
pub struct OtherClock {
    library: String,
    file: PathBuf,
}

impl OtherClock {
    /// A clock that a file sets. `None`, and said by name, where libfaketime (Debian's package `faketime`) is missing;
    /// fails where nothing may be skipped.
    pub fn find(test: &str, file: &Path) -> Option<Self> {
        let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
        let mut libraries = folders
            .chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")])
            .map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
        let Some(library) = libraries.find(|library| library.is_file()) else {
            assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "{test} needs faketime");
            eprintln!("skipped: {test}: needs faketime");
            return None;
        };
        let clock = Self { library: library.display().to_string(), file: file.to_owned() };
        clock.set("+0s");
        Some(clock)
    }

    /// From the next look on: `+300s`, `-1h`, or `@2039-01-01 00:00:00`.
    pub fn set(&self, time: &str) {
        // Whole or not at all, for it is read at every look.
        let draft = self.file.with_extension("tmp");
        fs::write(&draft, time).unwrap();
        fs::rename(&draft, &self.file).unwrap();
    }

    /// What makes a process follow it.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            // Only what asks for the time: files keep their dates.
            ("NO_FAKE_STAT", "1"),
        ]
    }
}
