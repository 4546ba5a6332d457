//! How a JSON line looks: the time, the level, the module, the request's span, then what the event says.
//!
//! ```json
//! {"timestamp":"…Z","level":"INFO","target":"shared::http::layers","span":{"name":"request","request.id":"…"},"message":"answered"}
//! ```
//!
//! A library's own JSON would do but for its price: it collects the fields of each span and each event in a map of values
//! first, a quarter of what a request cost here above its reading of a row. These two traits are where
//! tracing-subscriber lets its formatter be told how fields look; a span's are written once, when they come.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::time;
use crate::clock::Clock;

/// One event, one line.
pub(super) struct Lines;

/// `,"name":value` of each field; nothing for one that has no value yet.
pub(super) struct Members;

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }

    /// What is learnt later follows; the default puts a space between.
    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, Members> for Lines {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        time::write(&mut writer, Clock::system().now())?;
        writer.write_str("\",\"level\":\"")?;
        writer.write_str(metadata.level().as_str())?;
        writer.write_str("\",\"target\":")?;
        quote(&mut writer, metadata.target())?;
        if let Some(span) = context.lookup_current() {
            writer.write_str(",\"span\":{\"name\":")?;
            quote(&mut writer, span.metadata().name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Members>>() {
                writer.write_str(fields.fields.as_str())?;
            }
            writer.write_char('}')?;
        }
        context.format_fields(writer.by_ref(), event)?;
        writer.write_str("}\n")
    }
}

struct Visitor<'writer> {
    writer: Writer<'writer>,
    result: fmt::Result,
}

impl Visitor<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.name(field).and_then(|()| value(&mut self.writer));
        }
    }

    fn name(&mut self, field: &Field) -> fmt::Result {
        let name = field.name();
        self.writer.write_char(',')?;
        quote(&mut self.writer, name.strip_prefix("r#").unwrap_or(name))?;
        self.writer.write_char(':')
    }
}

impl Visit for Visitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no other numbers.
        self.member(
            field,
            |writer| if value.is_finite() { write!(writer, "{value}") } else { writer.write_str("null") },
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| writer.write_str(itoa::Buffer::new().format(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| writer.write_str(itoa::Buffer::new().format(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| quote(writer, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            write!(Escaped(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

fn quote(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    Escaped(writer).write_str(text)?;
    writer.write_char('"')
}

/// Writes text as the inside of a JSON string (RFC 8259 section 7).
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_escaped = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
        let mut rest = text;
        // Nearly always there is nothing to escape. Without a branch, so that many bytes are looked at at once.
        if !text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
            return self.0.write_str(text);
        }
        while let Some(at) = rest.bytes().position(is_escaped) {
            // What is escaped is one byte of ASCII, so both cuts are between characters.
            let (plain, from) = rest.split_at(at);
            let (escaped, behind) = from.split_at(1);
            self.0.write_str(plain)?;
            match escaped {
                "\"" => self.0.write_str("\\\"")?,
                "\\" => self.0.write_str("\\\\")?,
                "\n" => self.0.write_str("\\n")?,
                other => write!(self.0, "\\u{:04x}", other.bytes().next().unwrap_or_default())?,
            }
            rest = behind;
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `work` logs, without the times.
    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let layer = fmt::layer().fmt_fields(Members).event_format(Lines).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let read = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).is_ok(), "{time}");
            line
        };
        text.lines().map(read).collect()
    }

    #[test]
    fn a_line_has_the_span_as_far_as_it_is_known_and_every_kind_of_value() {
        let found = lines(|| {
            let span = tracing::info_span!("request", request.id = "7", client.id = tracing::field::Empty);
            span.in_scope(|| {
                tracing::info!(yes = true, up = 1_u64, down = -1_i64, half = 0.5, nan = f64::NAN, "first")
            });
            span.record("client.id", tracing::field::display("a\"b"));
            span.in_scope(|| tracing::warn!(r#type = ?Some("x"), none = Option::<u8>::None, "second"));
            tracing::error!("outside");
        });
        let target = module_path!();
        assert_eq!(
            found,
            [
                json!({"level": "INFO", "target": target, "span": {"name": "request", "request.id": "7"}, "yes": true,
                       "up": 1, "down": -1, "half": 0.5, "nan": null, "message": "first"}),
                json!({"level": "WARN", "target": target, "type": "Some(\"x\")", "message": "second",
                       "span": {"name": "request", "request.id": "7", "client.id": "a\"b"}}),
                json!({"level": "ERROR", "target": target, "message": "outside"}),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_logged_is_one_line_and_reads_back(text in "\\PC*|[\\x00-\\x7f]*", shown in ".*") {
            let found = lines(|| tracing::info!(text, debug = ?shown, shown = %shown, "m"));
            proptest::prop_assert_eq!(found.len(), 1);
            proptest::prop_assert_eq!(&found[0]["text"], &text);
            proptest::prop_assert_eq!(&found[0]["shown"], &shown);
            proptest::prop_assert_eq!(&found[0]["debug"], &format!("{shown:?}"));
        }
    }
}
