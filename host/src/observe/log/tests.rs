//! Lines as they come out, in both formats, from events whose values are hostile.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tracing::subscriber::with_default;

use super::sink::QUEUE_BYTES;
use super::*;

const TEXT: LogFormat = LogFormat::Text { colour: false };

/// More lines than any test writes.
const LINES: usize = 10_000;

/// Passes on what is written.
struct Written(SyncSender<Vec<u8>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `log` writes, line by line.
fn lines(format: LogFormat, log: impl FnOnce(&LogWriter)) -> Vec<String> {
    let (sender, written) = sync_channel(LINES);
    let writer = LogWriter::new(format, Written(sender)).unwrap();
    with_default(registry().with(LogLayer(writer.clone())), || log(&writer));
    assert!(writer.sink.flush());
    written
        .try_iter()
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect()
}

fn only(lines: Vec<String>) -> String {
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

const HOSTILE: [&str; 6] = [
    "a\n2026-01-01T00:00:00Z  INFO sluicegate: all is well",
    "\u{1b}[2J\u{1b}[31m",
    "user\u{202e}nimda",
    "\0\0\0",
    "\u{2028}\u{85}\u{7f}",
    "\" tenant=\"other",
];

fn log(text: &str) {
    tracing::warn!(tenant = text, refusal = %text, debug = ?text, count = 3, is_new = true, "{text}");
}

#[test]
fn whatever_a_value_holds_a_line_is_one_line() {
    for format in [TEXT, LogFormat::Json] {
        for text in HOSTILE {
            let line = only(lines(format, |_| log(text)));
            let (line, end) = line.split_at(line.len() - 1);
            assert_eq!(end, "\n");
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(!line.contains(['\u{202e}', '\u{2028}']), "{line:?}");
        }
    }
}

#[test]
fn a_line_is_as_people_and_programs_expect_it() {
    let event =
        || tracing::warn!(target: "t", tenant = "a\"b", fault = %"x y", count = 3, gone = -1, is_new = true, "hi");
    let text = only(lines(TEXT, |_| event()));
    let (time, rest) = text.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert_eq!(
        rest,
        " WARN t: hi tenant=\"a\\\"b\" fault=x y count=3 gone=-1 is_new=true\n"
    );
    let json: serde_json::Value = serde_json::from_str(&only(lines(LogFormat::Json, |_| event()))).unwrap();
    assert_eq!(json["level"], "WARN");
    assert_eq!(json["target"], "t");
    let fields = serde_json::json!({
        "message": "hi", "tenant": "a\"b", "fault": "x y", "count": 3, "gone": -1, "is_new": true
    });
    assert_eq!(json["fields"], fields);
}

#[test]
fn no_value_is_longer_for_what_is_in_it() {
    for text in ["a", "\0", "\u{202e}", "\n"] {
        let text = text.repeat(1_000_000);
        for format in [TEXT, LogFormat::Json] {
            let line = only(lines(format, |_| log(&text)));
            // Four values, and in JSON each backslash of an escape is escaped again.
            assert!(line.len() < 4 * 8192 * 2 + 500, "{}", line.len());
        }
    }
}

#[test]
fn a_tenant_has_its_bytes_and_is_told_of_the_rest() {
    let (sender, written) = sync_channel(LINES);
    let writer = LogWriter::new(TEXT, Written(sender)).unwrap();
    writer.budgets.set([("acme", 1000)].into_iter());
    with_default(registry().with(LogLayer(writer.clone())), || {
        for _ in 0..100 {
            tracing::info!(target: "plugin", tenant = "acme", "{}", "x".repeat(100));
        }
        tracing::warn!(tenant = "acme", "of the broker");
        tracing::warn!("of nobody");
    });
    assert!(writer.sink.flush());
    let lines: Vec<_> = written.try_iter().collect();
    assert!((7..12).contains(&lines.len()), "{}", lines.len());
    assert_eq!(
        writer.lost.with_label_values(&[OVER_BUDGET]).get(),
        102 - lines.len() as u64
    );
    assert!(lines[lines.len() - 2].ends_with(b"of the broker tenant=\"acme\"\n"));
}

/// Takes a line only when it is told to.
struct Slow(Receiver<()>, Written);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without anyone who tells, it takes all.
        let _ = self.0.recv();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn who_reads_slowly_loses_lines_and_is_told_and_stops_nobody() {
    let (sender, written) = sync_channel(LINES);
    let (go, stops): (SyncSender<()>, _) = sync_channel(0);
    let writer = LogWriter::new(TEXT, Slow(stops, Written(sender))).unwrap();
    let text = "x".repeat(8000);
    let lines = 2 * QUEUE_BYTES / text.len();
    with_default(registry().with(LogLayer(writer.clone())), || {
        for _ in 0..lines {
            tracing::info!("{text}");
        }
    });
    drop(go);
    assert!(writer.sink.flush());
    let written: Vec<_> = written
        .try_iter()
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect();
    let lost = writer.lost.with_label_values(&[SLOW_READER]).get();
    assert!(lost > 0);
    assert_eq!(written.len() as u64 - 1, lines as u64 - lost);
    let notice = format!("{lost} lines were not written: what reads this log was too slow\n");
    assert!(written.iter().any(|line| line.ends_with(&notice)), "{lost}");
}
