//! Shows a service's warnings and errors while the rest goes to its log file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

/// Follows one log file.
#[derive(Debug)]
pub struct Log {
    program: &'static str,
    file: File,
    partial: Vec<u8>,
}

impl Log {
    /// Follows `path` from its beginning.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn follow(program: &'static str, path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { program, file, partial: Vec::new() })
    }

    /// The warnings and errors that were written since the last call, as lines for a person.
    pub fn take_warnings(&mut self) -> Vec<String> {
        // What cannot be read now is read at the next call.
        let _ = self.file.read_to_end(&mut self.partial);
        let Some(end) = self.partial.iter().rposition(|&byte| byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        let text = String::from_utf8_lossy(&whole);
        text.lines().filter_map(warning).map(|line| format!("{:>12} {line}", self.program)).collect()
    }
}

/// A log line for a person, if it is a warning or an error.
fn warning(line: &str) -> Option<String> {
    let Ok(serde_json::Value::Object(record)) = serde_json::from_str(line) else {
        // A panic and the like.
        return (!line.trim().is_empty()).then(|| line.to_owned());
    };
    let level = record.get("level")?.as_str().filter(|level| matches!(*level, "WARN" | "ERROR"))?;
    let fields = record.get("fields").and_then(|fields| fields.as_object()).unwrap_or(&record);
    let message = fields.get("message").and_then(|message| message.as_str()).unwrap_or_default();
    let mut text = format!("{level} {message}");
    let known = ["message", "level", "timestamp", "target", "span", "spans"];
    for (name, value) in fields.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        text.push_str(&match value.as_str() {
            Some(value) => format!(" {name}={value}"),
            None => format!(" {name}={value}"),
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_what_matters_is_shown() {
        assert_eq!(warning(r#"{"timestamp":"t","level":"INFO","fields":{"message":"ready"}}"#), None);
        let nested = r#"{"timestamp":"t","level":"WARN","fields":{"message":"slow","db.ms":7},"target":"x"}"#;
        assert_eq!(warning(nested).as_deref(), Some("WARN slow db.ms=7"));
        let flat = r#"{"timestamp":"t","level":"ERROR","message":"gone","error":"reset","target":"x"}"#;
        assert_eq!(warning(flat).as_deref(), Some("ERROR gone error=reset"));
        assert_eq!(warning("thread 'main' panicked").as_deref(), Some("thread 'main' panicked"));
        assert_eq!(warning(""), None);
    }

    #[test]
    fn a_line_is_shown_once_and_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = File::create(&path).unwrap();
        let mut log = Log::follow("auth-server", &path).unwrap();
        write!(file, "one\ntw").unwrap();
        assert_eq!(log.take_warnings(), [" auth-server one"]);
        assert!(log.take_warnings().is_empty());
        writeln!(file, "o").unwrap();
        assert_eq!(log.take_warnings(), [" auth-server two"]);
    }
}
