//! Calls that are counted by the minute, each of them by who made it: so many are recorded each, and what comes beyond them is
//! one record when the minute is over.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The time in which they are counted.
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// Counts by who made the calls. Those of too many share one, that of none.
pub(super) struct CallWindows<T> {
    windows: Mutex<HashMap<Option<T>, CallWindow>>,
    /// Counts at most, beside the shared one.
    most: usize,
}

struct CallWindow {
    until: Instant,
    calls: u32,
    /// Of them, those that were not recorded.
    unrecorded: u64,
}

/// What to do with a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen<T> {
    /// Record it.
    Few,
    /// Record at this time how many there were.
    FirstOver(Option<T>, Instant),
    /// It is counted.
    Over,
}

// === impl CallWindows ===

impl<T: Clone + Eq + Hash> CallWindows<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            windows: Mutex::default(),
            most,
        }
    }

    /// Counts a call of `source`, of which `few` are recorded each.
    pub(super) fn count(&self, source: Option<T>, few: u32, now: Instant) -> Seen<T> {
        let mut windows = self.windows.lock();
        let mut source = source;
        if windows.len() >= self.most && !windows.contains_key(&source) {
            // Those that wait for their summary are taken out by it.
            windows.retain(|_, window| window.unrecorded > 0 || window.until > now);
            if windows.len() >= self.most {
                source = None;
            }
        }
        let window = windows
            .entry(source.clone())
            .or_insert_with(|| CallWindow::beginning(now));
        if window.until <= now && window.unrecorded == 0 {
            *window = CallWindow::beginning(now);
        }
        if window.calls < few {
            window.calls += 1;
            return Seen::Few;
        }
        window.unrecorded += 1;
        match window.unrecorded {
            1 => Seen::FirstOver(source, window.until),
            _ => Seen::Over,
        }
    }

    /// The minute is over: takes out how many calls had no line.
    pub(super) fn end(&self, source: Option<T>) -> u64 {
        self.windows
            .lock()
            .remove(&source)
            .map_or(0, |window| window.unrecorded)
    }

    /// The same of all, before it is over.
    pub(super) fn end_all(&self) -> Vec<(Option<T>, u64)> {
        let windows = std::mem::take(&mut *self.windows.lock());
        let ended = windows.into_iter().map(|(source, window)| (source, window.unrecorded));
        ended.filter(|(_, unrecorded)| *unrecorded > 0).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.windows.lock().len()
    }
}

impl CallWindow {
    fn beginning(now: Instant) -> Self {
        Self {
            until: now + WINDOW,
            calls: 0,
            unrecorded: 0,
        }
    }
}
