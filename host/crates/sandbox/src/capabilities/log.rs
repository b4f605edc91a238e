//! A plugin's lines in the broker's log: each cut, and so many a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use printable::printable;
pub(crate) use sluicegate_contract::limits::LOG_LINE_BYTES as LINE_BYTES;
use sluicegate_contract::limits::LOG_LINES_PER_SECOND as LINES;

use plugin_store::Clock;

/// The time for which lines are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The log of one plugin in one tenant.
pub(crate) struct Log {
    tenant: Arc<str>,
    plugin: Arc<str>,
    clock: Clock,
    window: Mutex<Window>,
}

struct Window {
    since: Instant,
    written: u32,
    dropped: u64,
}

// === impl Log ===

impl Log {
    pub(super) fn new(tenant: &Arc<str>, plugin: &Arc<str>, clock: Clock) -> Self {
        Self {
            tenant: Arc::clone(tenant),
            plugin: Arc::clone(plugin),
            window: Mutex::new(Window {
                since: clock.now(),
                written: 0,
                dropped: 0,
            }),
            clock,
        }
    }

    /// Writes `message` as one line, unless there were too many.
    pub(crate) fn write(&self, level: Level, message: &str) {
        let (may_write, dropped) = self.window.lock().count(self.clock.now());
        if dropped > 0 {
            let text = format!("{dropped} lines were not written: over {LINES} a second");
            self.emit(Level::Warn, &text);
        }
        if may_write {
            self.emit(level, &printable(message.trim_end_matches(['\n', '\r']), LINE_BYTES));
        }
    }

    fn emit(&self, level: Level, message: &str) {
        let (tenant, plugin) = (&*self.tenant, &*self.plugin);
        match level {
            Level::Debug => tracing::debug!(target: "plugin", tenant, plugin, "{message}"),
            Level::Info => tracing::info!(target: "plugin", tenant, plugin, "{message}"),
            Level::Warn => tracing::warn!(target: "plugin", tenant, plugin, "{message}"),
            Level::Error => tracing::error!(target: "plugin", tenant, plugin, "{message}"),
        }
    }
}

impl Window {
    /// Counts a line: may it be written, and how many of the window before were not?
    fn count(&mut self, now: Instant) -> (bool, u64) {
        let mut dropped = 0;
        if now.saturating_duration_since(self.since) >= WINDOW {
            dropped = self.dropped;
            *self = Self {
                since: now,
                written: 0,
                dropped: 0,
            };
        }
        let may_write = self.written < LINES;
        if may_write {
            self.written += 1;
        } else {
            self.dropped += 1;
        }
        (may_write, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_rate_is_counted() {
        let start = Instant::now();
        let mut window = Window {
            since: start,
            written: 0,
            dropped: 0,
        };
        let written = (0..250).filter(|_| window.count(start).0).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(window.count(start + WINDOW), (true, 150));
        assert_eq!(window.count(start + WINDOW), (true, 0));
    }
}
