//! What an instance of WASI remembers: when it began, and lines that are not yet complete.

use std::time::Instant;

use crate::capabilities::{LINE_BYTES, Level, Log};

/// Handles of the output streams.
pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

/// The WASI side of a store.
pub(crate) struct Wasi {
    pub(super) made: Instant,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Default for Wasi {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }
}

// === impl Wasi ===

impl Wasi {
    /// Writes the complete lines in `bytes` to the log, and keeps the rest for the next time.
    pub(super) fn write(&mut self, stream: u32, bytes: &[u8], log: &Log) {
        let (line, level) = match stream {
            STDERR => (&mut self.stderr, Level::Warn),
            _ => (&mut self.stdout, Level::Info),
        };
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            // What is over a line's length would be cut by the log.
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                emit(line, level, log);
            }
        }
    }

    /// Writes what is left without an end of line.
    pub(crate) fn flush(&mut self, log: &Log) {
        for (line, level) in [(&mut self.stdout, Level::Info), (&mut self.stderr, Level::Warn)] {
            if !line.is_empty() {
                emit(line, level, log);
            }
        }
    }
}

fn emit(line: &mut Vec<u8>, level: Level, log: &Log) {
    log.write(level, &String::from_utf8_lossy(line));
    line.clear();
}
