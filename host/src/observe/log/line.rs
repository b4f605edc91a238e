//! One line of the log: what happened, with its values, as text or JSON. Every value is escaped and then cut, whoever chose it.

use std::borrow::Cow;
use std::fmt::{Debug, Write as _};

use printable::printable;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Bytes of a value at most. A line has a handful of them.
const VALUE_BYTES: usize = 8_192;
/// The target of lines that plugins write.
const PLUGIN: &str = "plugin";
/// The target of the admin API's records, which are JSON already: escaped and bounded where they are made.
const AUDIT: &str = "audit";

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub enum LogFormat {
    /// For people; in colour for a terminal.
    Text { colour: bool },
    /// One JSON object a line.
    Json,
}

/// A line before it is formatted.
pub(super) struct LogLine<'a> {
    level: Level,
    target: Cow<'a, str>,
    message: String,
    values: Vec<(&'static str, LineValue)>,
}

enum LineValue {
    Text(String),
    /// Shown as it is: a number, a truth value, or text of the broker's own making.
    Plain(String),
    Number(serde_json::Number),
    Truth(bool),
}

// === impl LogLine ===

impl<'a> LogLine<'a> {
    pub(super) fn of(event: &Event<'a>) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            level: *metadata.level(),
            target: metadata.target().into(),
            message: String::new(),
            values: Vec::new(),
        };
        event.record(&mut line);
        line
    }

    /// Tells that lines about `tenant` were not written.
    pub(super) fn left_out(tenant: &str, lines: u64) -> Self {
        let message = format!("{lines} lines were not written: over limits.log_kib_per_second");
        Self {
            values: vec![("tenant", LineValue::Text(tenant.to_owned()))],
            ..Self::of_the_log(message)
        }
    }

    /// Tells that lines were not written because nobody read them.
    pub(super) fn unread(lines: u64) -> Self {
        Self::of_the_log(format!(
            "{lines} lines were not written: what reads this log was too slow"
        ))
    }

    fn of_the_log(message: String) -> Self {
        Self {
            level: Level::WARN,
            target: "sluicegate::log".into(),
            message,
            values: Vec::new(),
        }
    }

    /// The tenant of whom it speaks.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.values.iter().find_map(|(name, value)| match value {
            LineValue::Text(text) if *name == "tenant" => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether a plugin wrote it.
    pub(super) fn is_of_plugin(&self) -> bool {
        self.target == PLUGIN
    }

    /// The bytes of the line, with its end.
    pub(super) fn render(&self, format: LogFormat) -> Vec<u8> {
        let mut line = match format {
            LogFormat::Text { colour } => self.text(colour),
            // All in it can be said in JSON.
            LogFormat::Json => serde_json::to_string(&JsonLine(self)).unwrap_or_default(),
        };
        line.push('\n');
        line.into_bytes()
    }

    fn text(&self, colour: bool) -> String {
        let (begin, end) = if colour {
            (colour_of(self.level), "\u{1b}[0m")
        } else {
            ("", "")
        };
        let (now, level) = (timestamp(), self.level.as_str());
        let mut line = format!("{now} {begin}{level:>5}{end} {}: ", self.target);
        if self.is_of_plugin() {
            // In quotes, so that a plugin cannot write what looks like the fields behind it.
            let _ = write!(line, "\"{}\"", self.message.replace('"', "\\\""));
        } else {
            line.push_str(&self.message);
        }
        for (name, value) in &self.values {
            // Writing to a string does not fail.
            let _ = match value {
                LineValue::Text(text) => write!(line, " {name}=\"{}\"", text.replace('"', "\\\"")),
                LineValue::Plain(text) => write!(line, " {name}={text}"),
                LineValue::Number(number) => write!(line, " {name}={number}"),
                LineValue::Truth(truth) => write!(line, " {name}={truth}"),
            };
        }
        line
    }

    fn put(&mut self, field: &Field, value: LineValue) {
        match (field.name(), value) {
            ("message", LineValue::Text(text) | LineValue::Plain(text)) => self.message = text,
            // Lines of libraries that log by the crate `log` have their place in values.
            ("log.target", LineValue::Text(text)) => self.target = text.into(),
            ("log.module_path" | "log.file" | "log.line", _) => {}
            (name, value) => self.values.push((name, value)),
        }
    }

    fn fit(&self, text: &str) -> String {
        if self.target == AUDIT {
            return text.to_owned();
        }
        printable(text, VALUE_BYTES).into_owned()
    }
}

impl Visit for LogLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = self.fit(&format!("{value:?}"));
        self.put(field, LineValue::Plain(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = self.fit(value);
        self.put(field, LineValue::Text(text));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, LineValue::Number(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, LineValue::Number(value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, LineValue::Truth(value));
    }
}

fn timestamp() -> String {
    let mut text = String::new();
    // A time that cannot be told is left out.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

/// A line as a JSON object.
struct JsonLine<'a>(&'a LogLine<'a>);

impl Serialize for JsonLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("timestamp", &timestamp())?;
        map.serialize_entry("level", self.0.level.as_str())?;
        map.serialize_entry("fields", &Values(self.0))?;
        map.serialize_entry("target", &self.0.target)?;
        map.end()
    }
}

struct Values<'a>(&'a LogLine<'a>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message", &self.0.message)?;
        for (name, value) in &self.0.values {
            match value {
                LineValue::Text(text) | LineValue::Plain(text) => map.serialize_entry(name, text)?,
                LineValue::Number(number) => map.serialize_entry(name, number)?,
                LineValue::Truth(truth) => map.serialize_entry(name, truth)?,
            }
        }
        map.end()
    }
}
